import { readRedisUrl } from "../../core/config/redis-url.ts";
import { Redis } from "ioredis";
import { joinWrites } from "../sockets/join-writes.ts";
import {
  type Greeting,
  readGreeting,
  RedisSetupError,
  requireDatabase,
  setupProblem,
} from "./greeting.ts";
import { reconnectMs, type RedisOptions, targetOptions } from "./options.ts";
import { replyErrorCode } from "./replies.ts";
import { skipUnreadTraces } from "./untraced.ts";

export type { RedisOptions } from "./options.ts";

export interface RedisServer {
  client: Redis;
  /** Another one means that what was in memory may be gone or old. */
  instance: string;
}

export interface ClientEvents {
  /** Sent to every new connection before it counts as found. */
  scripts: ReadonlySet<string>;
  /** Also when the server that is connected has become another instance. */
  onFound: (server: RedisServer) => void;
  onLost: () => void;
  onWrongSetup: (error: RedisSetupError) => void;
  /** Why there is no server, or why it cannot be used. */
  onError: (error: unknown) => void;
}

/**
 * How often a server is asked who it is. So an idle connection to one that is frozen or cut off does not
 * stay, and one that was replaced and came back is noticed.
 */
const LOOK_MS = 1_000;

/**
 * A client of the library, not connected yet. `isReconnecting`: it never gives up.
 *
 * No queue while offline, no resend after a reconnect: a command is executed at most once, and its promise
 * settles at the latest `commandTimeoutMs` after the server fell silent. `maxRetriesPerRequest: 0` fails open
 * commands at once when the connection closes; without it those that are not resent would never settle.
 * `socketTimeout` rather than `commandTimeout`: one timer per connection instead of one per command, and
 * nothing piles up behind a frozen server.
 */
export function createClient(options: RedisOptions, isReconnecting: boolean): Redis {
  const { url, name, commandTimeoutMs } = options;
  skipUnreadTraces();
  return new Redis(readRedisUrl(url).url, {
    ...targetOptions(options),
    lazyConnect: true,
    connectionName: name,
    connectTimeout: commandTimeoutMs,
    socketTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (failures) => (isReconnecting ? reconnectMs(failures) : null),
    // A demoted primary behind the same address: the next connection finds the new one.
    reconnectOnError: (error) => replyErrorCode(error) === "READONLY",
  });
}

/**
 * Opens a client that tells when a server is usable, with scripts loaded and its instance known, and when it
 * is no longer. `end` is final.
 */
function openClient(
  options: RedisOptions,
  isReconnecting: boolean,
  { scripts, onFound, onLost, onWrongSetup, onError }: ClientEvents,
  onEnd: () => void,
): Redis {
  const { log } = options;
  const client = createClient(options, isReconnecting);
  // Counts connections: a reply that belongs to an earlier one does not count.
  let connection = 0;
  let instance: string | undefined;
  let looking: ReturnType<typeof setInterval> | undefined;

  /** Takes the server for what it says it is. @throws when it is not the one to talk to */
  function judge(greeting: Greeting): void {
    const problem = setupProblem(greeting, options);
    if (problem !== undefined) throw new RedisSetupError(problem);
    // The Sentinels may not have heard yet; a server at an address of its own may be promoted later.
    if (options.sentinels !== undefined && !greeting.isMaster)
      throw new Error("the Sentinels name a replica");
    if (greeting.instance === instance) return;
    instance = greeting.instance;
    onFound({ client, instance });
  }

  async function look(seen: number, preparing: readonly Promise<unknown>[] = []): Promise<void> {
    try {
      const [greeting] = await Promise.all([readGreeting(client), ...preparing]);
      if (seen === connection) judge(greeting);
    } catch (error) {
      if (seen !== connection) return;
      onError(error);
      if (error instanceof RedisSetupError) onWrongSetup(error);
      log.warn({ error: String(error) }, "redis: the server cannot be used");
      client.disconnect(true);
    }
  }

  client.on("connect", () => joinWrites(client.stream));
  client.on("ready", () => {
    const seen = connection;
    void look(seen, [
      requireDatabase(client),
      ...Array.from(scripts, (lua) => client.script("LOAD", lua)),
    ]);
    looking = setInterval(() => void look(seen), LOOK_MS);
  });
  client.on("close", () => {
    clearInterval(looking);
    connection += 1;
    instance = undefined;
    onLost();
  });
  client.on("end", onEnd);
  client.on("error", (error: Error) => {
    onError(error);
    log.debug({ error: error.message }, "redis: no connection");
  });
  // A failure to connect also comes as an event, and the client tries again automatically.
  client.connect().catch(() => {});
  return client;
}

/**
 * Keeps a client connected for ever: one that the library has given up (`end`) is replaced. `nextUrl` gives
 * each connection an address of its own. Returns a function that stops this.
 */
export function keepClient(
  options: RedisOptions,
  events: ClientEvents,
  nextUrl?: () => string,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  let failures = 0;
  const counted: ClientEvents = {
    ...events,
    onFound: (server) => {
      failures = 0;
      events.onFound(server);
    },
  };
  const open = (): Redis =>
    openClient(
      { ...options, url: nextUrl?.() ?? options.url },
      nextUrl === undefined,
      counted,
      replaceClient,
    );
  let client = open();

  function replaceClient(): void {
    if (isStopped) return;
    failures += 1;
    timer = setTimeout(() => {
      client = open();
    }, reconnectMs(failures));
  }

  return () => {
    isStopped = true;
    clearTimeout(timer);
    client.disconnect();
  };
}
