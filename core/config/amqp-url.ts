import { parameterText } from "./redis-url.ts";
import type { TlsConfig } from "./tls-schema.ts";

/** Where one node of RabbitMQ is and how to log in. */
export interface AmqpAddress {
  protocol: "amqp" | "amqps";
  hostname: string;
  port: number;
  username?: string;
  password?: string;
  /** Still percent-encoded, as the client expects it; empty is the default virtual host. */
  vhost: string;
  /** Files that the URL names. */
  tls: NonNullable<TlsConfig>;
}

/** As RabbitMQ's own URIs name them. https://www.rabbitmq.com/docs/uri-query-parameters */
const FILES = { cacertfile: "ca", certfile: "cert", keyfile: "key" } as const;

/**
 * Reads `amqp[s]://user:password@host:port/vhost` into the client's object form: with a URL string the client
 * ignores the heartbeat option.
 *
 * @throws {Error} naming what is wrong, never the URL, which has the password
 */
export function readAmqpUrl(url: string): AmqpAddress {
  const parts = URL.parse(url);
  if (parts === null || (parts.protocol !== "amqp:" && parts.protocol !== "amqps:"))
    throw new Error("is not of the form amqp[s]://user:password@host:port/vhost");
  const tls: NonNullable<TlsConfig> = {};
  for (const [name, value] of parts.searchParams) {
    if (!Object.hasOwn(FILES, name))
      throw new Error(
        `has ${parameterText(name)}, which is not known here; ${Object.keys(FILES).join(", ")} are, and ` +
          "amqp.heartbeat_seconds is the heartbeat",
      );
    tls[FILES[name as keyof typeof FILES]] = value;
  }
  const isAnonymous = parts.username === "" && parts.password === "";
  const protocol = parts.protocol === "amqps:" ? "amqps" : "amqp";
  return {
    protocol,
    hostname: parts.hostname.replace(/^\[|\]$/g, ""),
    port: parts.port === "" ? PORTS[protocol] : Number(parts.port),
    ...(isAnonymous
      ? {}
      : {
          username: decodeURIComponent(parts.username),
          password: decodeURIComponent(parts.password),
        }),
    vhost: parts.pathname.slice(1),
    tls,
  };
}

const PORTS = { amqp: 5672, amqps: 5671 } as const;
