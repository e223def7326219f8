import { type ClientEvents, keepClient, type RedisServer } from "./client.ts";
import { type RedisOptions, urlAt } from "./options.ts";
import { replyErrorCode } from "./replies.ts";
import { keepOneServer, type ServerSet } from "./server-set.ts";
import { readClusterMap, readMoved, slotOf } from "./slots.ts";

interface Node {
  server: RedisServer | undefined;
  /** Settles when the node is there for the first time. */
  found: PromiseWithResolvers<void>;
  stop: () => void;
}

/** How often a node is asked who is the master of which slot; a failover takes the cluster longer. */
const REFRESH_MS = 1_000;
/** A slot is on its way to another node for some milliseconds, while its keys are copied one by one. */
const MOVING_PAUSE_MS = 20;
/** To connect to a node that another one has named. */
const CONNECT_WAIT_MS = 1_000;

/**
 * The masters of a cluster, a client for each. What is sent to a node names the instance of that node, so a
 * command must never be led on to another one by itself; that is why this does not use the library's Cluster.
 *
 * While a slot moves its keys are on two nodes. A script that took those of one for all would see half of the
 * books of a user, so no redirection for one command (ASK) is followed: the slot is waited for.
 */
export function keepCluster(
  options: RedisOptions,
  seeds: readonly string[],
  events: ClientEvents,
): ServerSet {
  const nodes = new Map<string, Node>();
  let masters: string[] = [];
  let addresses = new Set<string>();
  let turn = 0;
  let isStopped = false;
  let refreshing: Promise<void> | undefined;

  function open(address: string): Node {
    const known = nodes.get(address);
    if (known !== undefined) return known;
    const node: Node = {
      server: undefined,
      found: Promise.withResolvers(),
      stop: () => {},
    };
    nodes.set(address, node);
    node.stop = keepClient(
      { ...options, url: urlAt(options.url, address) },
      {
        ...events,
        onFound: (server) => {
          node.server = server;
          node.found.resolve();
          if (masters.length === 0) void refresh();
          else events.onFound(server);
        },
        onLost: () => {
          if (node.server !== undefined) events.onLost();
          node.server = undefined;
        },
      },
    );
    return node;
  }

  /** Keeps clients of exactly these. */
  function keep(wanted: Set<string>): void {
    addresses = wanted;
    for (const address of wanted) open(address);
    for (const [address, node] of nodes) {
      if (wanted.has(address)) continue;
      node.server = undefined;
      nodes.delete(address);
      node.stop();
    }
  }

  function nextReady(): { address: string; server: RedisServer } | undefined {
    const ready = [...nodes].flatMap(([address, { server }]) =>
      server ? { address, server } : [],
    );
    return ready[turn++ % ready.length];
  }

  async function learn(): Promise<void> {
    const asked = nextReady();
    if (asked === undefined) {
      for (const seed of seeds) open(seed);
      return;
    }
    try {
      const reply = await asked.server.client.cluster("SLOTS");
      const found = readClusterMap(reply, asked.address).masters;
      if (isStopped || found.length === 0) return;
      const isFirst = masters.length === 0;
      masters = found;
      keep(new Set(Object.values(found)));
      if (isFirst) for (const { server } of nodes.values()) if (server) events.onFound(server);
    } catch (error) {
      options.log.debug({ error: String(error) }, "redis: a node does not say who has which slot");
    }
  }

  /** Calls at the same time share one look. */
  function refresh(): Promise<void> {
    refreshing ??= learn().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  async function refreshSoon(): Promise<void> {
    await Bun.sleep(MOVING_PAUSE_MS);
    await refresh();
  }

  async function followMoved(message: string): Promise<void> {
    const moved = readMoved(message);
    if (moved === undefined) return refresh();
    masters[moved.slot] = moved.address;
    addresses.add(moved.address);
    await Promise.race([open(moved.address).found.promise, Bun.sleep(CONNECT_WAIT_MS)]);
  }

  const refreshTimer = setInterval(() => void refresh(), REFRESH_MS);
  void refresh();

  return {
    find: (key) => {
      if (masters.length === 0) return undefined;
      return key === undefined
        ? nextReady()?.server
        : nodes.get(masters[slotOf(key)] ?? "")?.server;
    },
    all: () => [...addresses].map((address) => nodes.get(address)?.server),
    slotOf,
    reroute: async (error) => {
      const code = replyErrorCode(error);
      if (code === "MOVED") await followMoved((error as Error).message);
      else if (code === "ASK" || code === "TRYAGAIN") await Bun.sleep(MOVING_PAUSE_MS);
      // Of a transaction whose first command was refused for one of those reasons.
      else if (code === "EXECABORT") await refreshSoon();
      else return false;
      return true;
    },
    stop: () => {
      isStopped = true;
      clearInterval(refreshTimer);
      keep(new Set());
    },
  };
}

/** One node of a cluster, whichever answers: what is published reaches subscribers of all of them. */
export function keepAnyNode(
  options: RedisOptions,
  seeds: readonly string[],
  events: ClientEvents,
): ServerSet {
  let known: readonly string[] = seeds;
  let asked = "";
  let turn = Math.floor(Math.random() * seeds.length);

  async function learn({ client }: RedisServer): Promise<void> {
    const { addresses } = readClusterMap(await client.cluster("SLOTS"), asked);
    known = [...new Set([...seeds, ...addresses])];
  }

  return keepOneServer(
    options,
    {
      ...events,
      onFound: (server) => {
        learn(server).catch(() => {}); // then it goes on with those that it knows
        events.onFound(server);
      },
    },
    () => {
      asked = known[turn++ % known.length] ?? "";
      return urlAt(options.url, asked);
    },
  );
}
