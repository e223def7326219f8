import { type Static, Type as t } from "@sinclair/typebox";

import { closed, ms } from "./fields.ts";
import { type RedisAddress, readRedisUrl } from "./redis-url.ts";
import { isThisMachine } from "./this-machine.ts";
import { tls } from "./tls-schema.ts";

/** `host:port`; an IPv6 address stands in brackets. */
const nodeAddress = t.String({
  pattern: String.raw`^(\[[0-9a-fA-F:.]+\]|[^\s:@/\[\]]+):[0-9]{1,5}$`,
  description: "`host:port`, an IPv6 address as `[::1]:6379`.",
});

const nodes = (description: string) => t.Array(nodeAddress, { minItems: 1, description });

export const redis = t.Object(
  {
    url: t.String({
      pattern: "^rediss?://",
      description:
        "Also REDIS_URL. Special characters of its user name and password are percent-encoded; " +
        "`rediss://` is TLS; `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` may name files. With " +
        "`sentinels` or `cluster` its host and port do not count, the rest does.",
    }),
    command_timeout_ms: ms(2_000, "Longest wait for one command."),
    tls,
    sentinels: t.Optional(
      t.Object(
        {
          nodes: nodes("Some of the Sentinels; they name the others, and the master."),
          name: t.String({
            minLength: 1,
            default: "mymaster",
            description: "What the Sentinels call the master.",
          }),
          username: t.Optional(t.String({ description: "Of the Sentinels themselves." })),
          password: t.Optional(
            t.String({ description: "Of the Sentinels themselves; that of the data is in `url`." }),
          ),
          plain: t.Boolean({
            default: false,
            description: "The Sentinels have no TLS although `redis.url` is `rediss://`.",
          }),
          tls,
        },
        closed,
      ),
    ),
    cluster: t.Optional(
      t.Object({ nodes: nodes("Some nodes of the cluster; they name the others.") }, closed),
    ),
  },
  closed,
);

type RedisConfig = Static<typeof redis>;

/** What a schema cannot express of the section `redis`. */
export function redisProblems(
  { url: text, tls: files, sentinels, cluster }: RedisConfig,
  allowsPlaintext: boolean,
): string[] {
  let address: RedisAddress;
  try {
    address = readRedisUrl(text);
  } catch (error) {
    return [`redis.url: ${(error as Error).message}`];
  }
  const problems: string[] = [];
  const url = new URL(address.url);
  const isEncrypted = url.protocol === "rediss:";
  if (cluster !== undefined && !["", "/", "/0"].includes(url.pathname))
    problems.push("redis.url: must name no database, or 0: a cluster has no other");
  if (files !== undefined && !isEncrypted)
    problems.push("redis.tls: needs a redis.url that begins with rediss://");
  if (Object.keys(address.tls).length > 0 && !isEncrypted)
    problems.push("redis.url: names certificates; it must begin with rediss://");
  if (!isEncrypted && !allowsPlaintext) {
    const named = sentinels?.nodes ?? cluster?.nodes ?? [url.host];
    if (!named.every((node) => isThisMachine(hostOf(node))))
      problems.push(
        "redis.url: leads to another machine in plain text; use rediss://, or say allow_plaintext: true",
      );
  }
  if (sentinels !== undefined && cluster !== undefined)
    problems.push("redis.cluster: cannot stand beside redis.sentinels; remove one of them");
  if (sentinels?.plain === true && sentinels.tls !== undefined)
    problems.push("redis.sentinels.plain: must be false where redis.sentinels.tls is set");
  return problems;
}

/** Of `host:port`, an IPv6 address in brackets. */
const hostOf = (node: string): string => node.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
