import { Fault } from "../../core/faults.ts";
import type { ClientEvents, RedisOptions, RedisServer } from "./client.ts";
import { keepAnyNode, keepCluster } from "./cluster.ts";
import type { RedisSetupError } from "./greeting.ts";
import { toQuotaFault } from "./replies.ts";
import { keepOneServer, type ServerSet } from "./server-set.ts";

export interface RedisConnection {
  /**
   * The server that has a key, or any of them, while it is connected and known.
   *
   * @throws {Fault} QUOTA_UNAVAILABLE otherwise, at once
   */
  server: (key?: string) => RedisServer;
  /** All servers, each with a part of the keys; undefined: it is away. */
  servers: () => readonly (RedisServer | undefined)[];
  /**
   * Runs commands on the server that has `key`, and in a cluster all other keys of its slot; without a key on
   * any server. Nothing is ever sent twice but what a node of a cluster refused to do, because the slot had
   * moved: then all of `commands` is run again.
   *
   * @throws {Fault} QUOTA_UNAVAILABLE for every error of the client library
   */
  run: <Reply>(commands: (server: RedisServer) => Promise<Reply>, key?: string) => Promise<Reply>;
  /** Keys with the same number may be in one command. */
  slotOf: (key: string) => number;
  /** Loads a script into the servers now and at every reconnect. */
  preload: (lua: string) => void;
  /**
   * Calls back each time a server has become usable, and at once if one is now. Returns a function that stops
   * this.
   */
  onReady: (listener: (server: RedisServer) => void) => () => void;
  /** Whether commands can be sent now, at least to some servers. */
  isReady: () => boolean;
  /**
   * Waits for all servers, at the end of the time for one.
   *
   * @throws {RedisSetupError} when the server is not what the configuration says
   * @throws {Fault} QUOTA_UNAVAILABLE after `waitMs`; its cause is what went wrong last
   */
  untilReady: (waitMs: number) => Promise<void>;
  /** Closes for good; commands still open fail. */
  close: () => void;
}

/**
 * Connects in the background and stays connected. Nothing can be sent before the server's instance is known.
 */
export function connectRedis(options: RedisOptions): RedisConnection {
  const { cluster } = options;
  return connect(options, (events) =>
    cluster === undefined
      ? keepOneServer(options, events)
      : keepCluster(options, cluster.nodes, events),
  );
}

/** As `connectRedis`, but to one server only, whichever; for subscriptions, which all servers serve. */
export function connectSubscriber(options: RedisOptions): RedisConnection {
  const { cluster } = options;
  return connect(options, (events) =>
    cluster === undefined
      ? keepOneServer(options, events)
      : keepAnyNode(options, cluster.nodes, events),
  );
}

function connect(
  { log, commandTimeoutMs, tls }: RedisOptions,
  keep: (events: ClientEvents) => ServerSet,
): RedisConnection {
  const scripts = new Set<string>();
  const listeners = new Set<(server: RedisServer) => void>();
  const wrongSetups = new Set<(error: RedisSetupError) => void>();
  let wrongSetup: RedisSetupError | undefined;
  let lastError: unknown;

  const set = keep({
    scripts,
    onFound: (found) => {
      wrongSetup = undefined;
      log.info({ instance: found.instance }, "redis: connected");
      for (const listener of listeners) listener(found);
    },
    onLost: () => log.warn({}, "redis: connection lost"),
    onWrongSetup: (error) => {
      wrongSetup = error;
      for (const listener of wrongSetups) listener(error);
    },
    onError: (error) => {
      lastError = tls?.explain(error) ?? error;
    },
  });

  function server(key?: string): RedisServer {
    const found = set.find(key);
    if (found === undefined) throw new Fault("QUOTA_UNAVAILABLE", "Redis is not connected");
    return found;
  }

  const present = (): RedisServer[] => set.all().filter((found) => found !== undefined);
  const isComplete = (): boolean => present().length > 0 && !set.all().includes(undefined);

  function onReady(listener: (found: RedisServer) => void): () => void {
    listeners.add(listener);
    for (const found of present()) listener(found);
    return () => listeners.delete(listener);
  }

  return {
    server,
    servers: set.all,
    run: async (commands, key) => {
      const startedMs = performance.now();
      for (;;) {
        try {
          return await commands(server(key));
        } catch (error) {
          const isLate = performance.now() - startedMs > commandTimeoutMs;
          if (isLate || !(await set.reroute(error))) throw toQuotaFault(error);
        }
      }
    },
    slotOf: set.slotOf,
    preload: (lua) => {
      scripts.add(lua);
      // A script that is not there is sent in full when it is first called, so a failure here costs nothing.
      for (const { client } of present()) client.script("LOAD", lua).catch(() => {});
    },
    onReady,
    isReady: () => present().length > 0,
    untilReady: (waitMs) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      if (wrongSetup !== undefined) reject(wrongSetup);
      wrongSetups.add(reject);
      const timer = setTimeout(() => {
        const why = { cause: lastError };
        if (present().length > 0) resolve();
        else reject(new Fault("QUOTA_UNAVAILABLE", `Redis was not there within ${waitMs} ms`, why));
      }, waitMs);
      const stopListening = onReady(() => {
        if (isComplete()) resolve();
      });
      return promise.finally(() => {
        clearTimeout(timer);
        stopListening();
        wrongSetups.delete(reject);
      });
    },
    close: set.stop,
  };
}
