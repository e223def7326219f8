import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";

import type { RedisOptions as LibraryOptions } from "ioredis";

import { type Backoff, backoffMs } from "../../runtime/backoff.ts";
import { readRedisUrl } from "../../core/config/redis-url.ts";
import type { Log } from "../../runtime/log.ts";
import { filesOfUrl, type TlsFiles } from "../tls/tls-files.ts";

export interface RedisOptions {
  /** Of the server; of a group the scheme, the user, the password and the database count. */
  url: string;
  /** Certificates for a `rediss://` URL; without them those of the machine's authorities. */
  tls?: TlsFiles;
  sentinels?: SentinelOptions;
  cluster?: { nodes: readonly string[] };
  /**
   * Longest silence of the server while a command is open; then the socket is cut and every open command
   * fails.
   */
  commandTimeoutMs: number;
  /** Shown in CLIENT LIST. */
  name: string;
  log: Log;
}

export interface SentinelOptions {
  nodes: readonly string[];
  /** What they call the master. */
  name: string;
  username?: string;
  password?: string;
  isEncrypted: boolean;
  tls?: TlsFiles;
}

/** Half of each pause at random, so that gateways do not return all at once. */
const RECONNECT_BACKOFF: Backoff = { firstMs: 100, longestMs: 2_000, jitter: 0.5 };

/** The pause after so many failures to connect. */
export const reconnectMs = (failures: number): number =>
  backoffMs(RECONNECT_BACKOFF, failures, Math.random());

/** `host:port`, an IPv6 address in brackets. */
export function addressOf(node: string): { host: string; port: number } {
  const { hostname, port } = new URL(`tcp://${node}`);
  return { host: hostname.replaceAll(/[[\]]/g, ""), port: Number(port) };
}

/** The URL of a node: that of the group at another address. */
export function urlAt(url: string, node: string): string {
  const { host, port } = addressOf(node);
  const found = new URL(url);
  found.hostname = isIP(host) === 6 ? `[${host}]` : host;
  found.port = String(port);
  return found.href;
}

const isEncrypted = (url: string): boolean => url.startsWith("rediss://");

/**
 * Read by the library at each connect, so that the next connection takes renewed files. The other side is
 * always checked, whatever NODE_TLS_REJECT_UNAUTHORIZED says.
 */
function tlsOptions(files: Pick<TlsFiles, "current"> | undefined): ConnectionOptions {
  const options = { minVersion: "TLSv1.2", rejectUnauthorized: true } as const;
  if (files === undefined) return options;
  const read = (name: "ca" | "cert" | "key") => ({
    enumerable: true,
    get: () => files.current()[name],
  });
  return Object.defineProperties(options, {
    ca: read("ca"),
    cert: read("cert"),
    key: read("key"),
  });
}

/** How the library finds the server, and encrypts what it says to it. */
export function targetOptions({
  url,
  tls,
  sentinels,
  commandTimeoutMs,
}: RedisOptions): Omit<LibraryOptions, "replyMapping"> {
  const encryption = isEncrypted(url)
    ? { tls: tlsOptions(tls ?? filesOfUrl(readRedisUrl(url).tls)) }
    : {};
  if (sentinels === undefined) return encryption;
  const { username, password } = sentinels;
  return {
    ...encryption,
    enableTLSForSentinelMode: isEncrypted(url),
    sentinels: sentinels.nodes.map(addressOf),
    name: sentinels.name,
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(sentinels.isEncrypted && { sentinelTLS: tlsOptions(sentinels.tls) }),
    sentinelCommandTimeout: commandTimeoutMs,
    sentinelRetryStrategy: reconnectMs,
    sentinelReconnectStrategy: reconnectMs,
    // Without it a client of a frozen master never learns of the new one.
    failoverDetector: true,
  };
}
