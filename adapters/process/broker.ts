import { readAmqpUrl } from "../../core/config/amqp-url.ts";
import type { Config } from "../../core/config/schema.ts";
import type { AmqpServer } from "../amqp/connection.ts";
import { createSignatures, type Signatures } from "../amqp/signatures.ts";
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

/** Signs with the keys of the start, and believes what the configuration in force believes. */
export function openSignatures(config: () => Pick<Config, "amqp" | "secrets">): Signatures {
  return createSignatures(config().secrets.encryption_keys, () => config().amqp.accept_unsigned);
}
