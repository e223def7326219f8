import { type Static, Type as t } from "@sinclair/typebox";

import { type AmqpAddress, readAmqpUrl } from "./amqp-url.ts";
import { closed, count, ms } from "./fields.ts";
import { isThisMachine } from "./this-machine.ts";
import { tls } from "./tls-schema.ts";

const url = { pattern: "^amqps?://" };

export const amqp = t.Object(
  {
    url: t.String({
      ...url,
      description:
        "Also AMQP_URL. `amqps://` is TLS; `cacertfile`, `certfile`, `keyfile` may name files.",
    }),
    more_urls: t.Array(t.String(url), {
      default: [],
      description:
        "More nodes of the same cluster. A connection that is lost or cannot be made goes to the next.",
    }),
    tls,
    queue_prefix: t.String({
      default: "",
      pattern: "^[a-z0-9_.-]*$",
      maxLength: 64,
      description: "Put before every queue name, to share a broker.",
    }),
    heartbeat_seconds: count(20, "A peer silent for twice this is taken for dead."),
    confirm_timeout_ms: ms(
      10_000,
      "Longest wait for the broker's confirm before a message is published again.",
    ),
    consumer_timeout_ms: ms(
      1_800_000,
      "RabbitMQ's own consumer_timeout, so say the same in both places: it takes back what is owned " +
        "for longer. Keep every models.*.timeout_ms a minute below it.",
    ),
    message_bytes_max: count(
      16_777_216,
      "Largest message: RabbitMQ's max_message_size, 16 MiB in 4.x and 128 MiB before, so say here what " +
        "yours has. Keep every models.*.reply_bytes_max within it.",
    ),
    accept_unsigned: t.Boolean({
      default: false,
      description:
        "Believe messages without a signature: while a release that signs none still runs, and no longer.",
    }),
  },
  closed,
);
export type AmqpConfig = Static<typeof amqp>;

/** What is wrong with the section, as far as it can be seen without a server. */
export function amqpProblems(
  { url: first, more_urls: more, tls: files }: AmqpConfig,
  allowsPlaintext: boolean,
): string[] {
  const named = [["url", first] as const, ...more.map((one) => ["more_urls", one] as const)];
  return named.flatMap(([name, text]) => {
    let address: AmqpAddress;
    try {
      address = readAmqpUrl(text);
    } catch (error) {
      return [`amqp.${name}: ${(error as Error).message}`];
    }
    if (address.protocol === "amqps") return [];
    if (Object.keys(address.tls).length > 0)
      return [`amqp.${name}: names certificates; it must begin with amqps://`];
    if (files !== undefined)
      return [`amqp.${name}: must begin with amqps:// where amqp.tls is set`];
    if (isThisMachine(address.hostname) || allowsPlaintext) return [];
    return [
      `amqp.${name}: leads to another machine in plain text; use amqps://, or say allow_plaintext: true`,
    ];
  });
}
