import { readAmqpUrl } from "../../core/config/amqp-url.ts";
import type { Config } from "../../core/config/schema.ts";
import type { AmqpServer } from "../amqp/connection.ts";
import { openTlsFiles, type TlsContext } from "../tls/tls-files.ts";

/**
 * The RabbitMQ of a configuration.
 *
 * @throws {Error} naming the file, when a certificate cannot be read
 */
export async function amqpServer(
  { amqp: { url, more_urls: moreUrls, tls } }: Pick<Config, "amqp">,
  context: TlsContext,
): Promise<AmqpServer> {
  const files = { ...tls, ...readAmqpUrl(url).tls };
  if (Object.keys(files).length === 0) return { url, moreUrls };
  return { url, moreUrls, tls: await openTlsFiles(files, { ...context, name: "rabbitmq" }) };
}
