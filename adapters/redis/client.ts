import { Redis } from "ioredis";
import { type Backoff, backoffMs } from "../../runtime/backoff.ts";
import type { Log } from "../../runtime/log.ts";
import { joinWrites } from "../sockets/join-writes.ts";
import { replyErrorCode } from "./replies.ts";
import { skipUnreadTraces } from "./untraced.ts";

export interface RedisOptions {
  url: string;
  /**
   * Longest silence of the server while a command is open; then the socket is cut and every open command
   * fails.
   */
  commandTimeoutMs: number;
  /** Shown in CLIENT LIST. */
  name: string;
  log: Log;
}

export interface RedisServer {
  client: Redis;
  /** `run_id` of the server process: another one means that what was in memory may be gone or old. */
  instance: string;
}

export interface ClientEvents {
  /** Sent to every new connection before it counts as found. */
  scripts: ReadonlySet<string>;
  onFound: (server: RedisServer) => void;
  onLost: () => void;
}

/** Half of each pause at random, so that gateways do not return all at once. */
const RECONNECT_BACKOFF: Backoff = { firstMs: 100, longestMs: 2_000, jitter: 0.5 };

/**
 * No queue while offline, no resend after a reconnect: a command is executed at most once, and its promise
 * settles at the latest `commandTimeoutMs` after the server fell silent. `maxRetriesPerRequest: 0` fails open
 * commands at once when the connection closes; without it those that are not resent would never settle.
 * `socketTimeout` rather than `commandTimeout`: one timer per connection instead of one per command, and
 * nothing piles up behind a frozen server.
 */
function createClient({ url, name, commandTimeoutMs }: RedisOptions): Redis {
  skipUnreadTraces();
  return new Redis(url, {
    lazyConnect: true,
    connectionName: name,
    connectTimeout: commandTimeoutMs,
    socketTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    // Never gives up.
    retryStrategy: (failures) => backoffMs(RECONNECT_BACKOFF, failures, Math.random()),
    // A demoted primary behind the same address: the next connection finds the new one.
    reconnectOnError: (error) => replyErrorCode(error) === "READONLY",
  });
}

async function readInstance(client: Redis): Promise<string> {
  const info = await client.info("server");
  const runId = /^run_id:(\w+)/m.exec(info)?.[1];
  if (runId === undefined) throw new Error("INFO server names no run_id");
  return runId;
}

/**
 * Opens a client that tells when a server is usable, with scripts loaded and run_id known, and when it is no
 * longer. `end` is final.
 */
function openClient(
  options: RedisOptions,
  { scripts, onFound, onLost }: ClientEvents,
  onEnd: () => void,
): Redis {
  const { log } = options;
  const client = createClient(options);
  // Counts connections: a reply that belongs to an earlier one does not count.
  let connection = 0;

  async function greet(greeted: number): Promise<void> {
    try {
      const [instance] = await Promise.all([
        readInstance(client),
        ...Array.from(scripts, (lua) => client.script("LOAD", lua)),
      ]);
      if (greeted === connection) onFound({ client, instance });
    } catch (error) {
      if (greeted !== connection) return;
      log.warn({ error: String(error) }, "redis: the server cannot be used");
      client.disconnect(true);
    }
  }

  client.on("connect", () => joinWrites(client.stream));
  client.on("ready", () => void greet(connection));
  client.on("close", () => {
    connection += 1;
    onLost();
  });
  client.on("end", onEnd);
  client.on("error", (error: Error) => log.debug({ error: error.message }, "redis: no connection"));
  // A failure to connect also comes as an event, and the client tries again automatically.
  client.connect().catch(() => {});
  return client;
}

/**
 * Keeps a client connected for ever: one that the library has given up (`end`) is replaced. Returns a
 * function that stops this.
 */
export function keepClient(options: RedisOptions, events: ClientEvents): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  let client = openClient(options, events, replaceClient);

  function replaceClient(): void {
    if (isStopped) return;
    timer = setTimeout(() => {
      client = openClient(options, events, replaceClient);
    }, RECONNECT_BACKOFF.longestMs);
  }

  return () => {
    isStopped = true;
    clearTimeout(timer);
    client.disconnect();
  };
}
