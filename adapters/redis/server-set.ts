import { type ClientEvents, keepClient, type RedisServer } from "./client.ts";
import type { RedisOptions } from "./options.ts";

/** The servers that have our keys: one, or the masters of a cluster. */
export interface ServerSet {
  /** The server that has a key, or any; undefined: it is away. */
  find: (key?: string) => RedisServer | undefined;
  /** Of all servers; undefined: away. None: not known yet. */
  all: () => readonly (RedisServer | undefined)[];
  /** One command, or one script, may have keys of one slot. */
  slotOf: (key: string) => number;
  /**
   * Whether a server refused a command, so that it did nothing, because the key is elsewhere or on its way;
   * returns when it is worth while to send it again.
   */
  reroute: (error: unknown) => Promise<boolean>;
  stop: () => void;
}

/** One server, or the master that the Sentinels name, or at each connection whoever is at the next URL. */
export function keepOneServer(
  options: RedisOptions,
  events: ClientEvents,
  nextUrl?: () => string,
): ServerSet {
  let current: RedisServer | undefined;
  const stop = keepClient(
    options,
    {
      ...events,
      onFound: (server) => {
        current = server;
        events.onFound(server);
      },
      onLost: () => {
        if (current !== undefined) events.onLost();
        current = undefined;
      },
    },
    nextUrl,
  );
  return {
    find: () => current,
    all: () => [current],
    slotOf: () => 0,
    reroute: () => Promise.resolve(false),
    stop: () => {
      current = undefined;
      stop();
    },
  };
}
