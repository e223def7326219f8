import type { Config } from "../../core/config/schema.ts";
import type { Log } from "../../runtime/log.ts";
import type { AmqpServer } from "../amqp/connection.ts";
import { openTlsFiles } from "../tls/tls-files.ts";

/**
 * The RabbitMQ of a configuration.
 *
 * @throws {Error} naming the file, when a certificate cannot be read
 */
export async function amqpServer(
  { amqp: { url, more_urls: moreUrls, tls } }: Pick<Config, "amqp">,
  log: Log,
): Promise<AmqpServer> {
  if (tls === undefined) return { url, moreUrls };
  return { url, moreUrls, tls: await openTlsFiles(tls, { log, name: "rabbitmq" }) };
}
