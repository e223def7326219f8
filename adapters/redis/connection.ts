import { Fault } from "../../core/faults.ts";
import { keepClient, type RedisOptions, type RedisServer } from "./client.ts";
import { toQuotaFault } from "./replies.ts";

export interface RedisConnection {
  /** The server, while it is connected and known. @throws {Fault} QUOTA_UNAVAILABLE otherwise, at once */
  server: () => RedisServer;
  /**
   * Runs commands. Nothing is ever sent twice.
   *
   * @throws {Fault} QUOTA_UNAVAILABLE for every error of the client library
   */
  run: <Reply>(commands: (server: RedisServer) => Promise<Reply>) => Promise<Reply>;
  /** Loads a script into the server now and at every reconnect. */
  preload: (lua: string) => void;
  /**
   * Calls back each time a server has become usable, and at once if one is now. Returns a function that stops
   * this.
   */
  onReady: (listener: (server: RedisServer) => void) => () => void;
  /** Whether commands can be sent now. */
  isReady: () => boolean;
  /** Waits for a server. @throws {Fault} QUOTA_UNAVAILABLE after `waitMs` */
  untilReady: (waitMs: number) => Promise<void>;
  /** Closes for good; commands still open fail. */
  close: () => void;
}

/**
 * Connects in the background and stays connected. Nothing can be sent before the server's run_id is known.
 */
export function connectRedis(options: RedisOptions): RedisConnection {
  const { log } = options;
  const scripts = new Set<string>();
  const listeners = new Set<(server: RedisServer) => void>();
  let current: RedisServer | undefined;

  const stop = keepClient(options, {
    scripts,
    onFound: (found) => {
      current = found;
      log.info({ instance: found.instance }, "redis: connected");
      for (const listener of listeners) listener(found);
    },
    onLost: () => {
      if (current !== undefined) log.warn({}, "redis: connection lost");
      current = undefined;
    },
  });

  function server(): RedisServer {
    if (current === undefined) throw new Fault("QUOTA_UNAVAILABLE", "Redis is not connected");
    return current;
  }

  function onReady(listener: (found: RedisServer) => void): () => void {
    listeners.add(listener);
    if (current !== undefined) listener(current);
    return () => listeners.delete(listener);
  }

  return {
    server,
    run: async (commands) => {
      try {
        return await commands(server());
      } catch (error) {
        throw toQuotaFault(error);
      }
    },
    preload: (lua) => {
      scripts.add(lua);
      // A script that is not there is sent in full when it is first called, so a failure here costs nothing.
      current?.client.script("LOAD", lua).catch(() => {});
    },
    onReady,
    isReady: () => current !== undefined,
    untilReady: (waitMs) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const timer = setTimeout(
        () => reject(new Fault("QUOTA_UNAVAILABLE", `Redis was not there within ${waitMs} ms`)),
        waitMs,
      );
      const stopListening = onReady(() => resolve());
      return promise.finally(() => {
        clearTimeout(timer);
        stopListening();
      });
    },
    close: () => {
      current = undefined;
      stop();
    },
  };
}
