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
  if (tls === undefined) return { url, moreUrls };
  return { url, moreUrls, tls: await openTlsFiles(tls, { ...context, name: "rabbitmq" }) };
}
