import type { Options } from "amqplib";

/**
 * Reads `amqp[s]://user:password@host:port/vhost` into the client's object form: with a URL string the client
 * ignores the heartbeat option.
 *
 * @throws {Error} when the URL is of another form; it does not quote the URL, which contains the password
 */
export function parseBrokerUrl(url: string): Options.Connect {
  const parts = URL.parse(url);
  if (parts === null || (parts.protocol !== "amqp:" && parts.protocol !== "amqps:"))
    throw new Error("the AMQP URL is not of the form amqp[s]://user:password@host:port/vhost");
  const isAnonymous = parts.username === "" && parts.password === "";
  return {
    protocol: parts.protocol.slice(0, -1),
    hostname: parts.hostname.replace(/^\[|\]$/g, ""),
    port: parts.port === "" ? defaultPort(parts.protocol) : Number(parts.port),
    ...(isAnonymous
      ? {}
      : {
          username: decodeURIComponent(parts.username),
          password: decodeURIComponent(parts.password),
        }),
    // Still percent-encoded, as the client expects it; empty is the default virtual host.
    vhost: parts.pathname.slice(1),
  };
}

function defaultPort(protocol: string): number {
  return protocol === "amqps:" ? 5671 : 5672;
}
