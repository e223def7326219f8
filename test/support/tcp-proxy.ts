import { once } from "node:events";
import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";

/**
 * A TCP proxy in front of one server, with the faults of a network. Its port stays the same through all of
 * them.
 */
export interface TcpProxy {
  port: number;
  /** The server's URL, going through the proxy. */
  url: string;
  /** Clients connected now, as far as they themselves know. */
  connections: () => number;
  /** Every chunk arrives this much later, in each direction. */
  setLatency: (ms: number) => void;
  /** Resets every connection; new ones are accepted. */
  cut: () => void;
  /** Resets every connection, and new ones at once, until `heal`. */
  refuse: () => void;
  /** Holds every byte until `heal` and then delivers it: a server that is frozen and thawed. */
  freeze: () => void;
  /**
   * Swallows every byte and closes nothing: a peer that has vanished. Until `heal` for new connections, for
   * ever for those of that time.
   */
  blackhole: () => void;
  /** Ends `refuse`, `freeze`, `blackhole` and the latency. */
  heal: () => void;
  /**
   * Leads new connections to other servers, to each in turn, as the address of a service does. Those that are
   * open stay.
   */
  leadTo: (...serverUrls: readonly string[]) => void;
  stop: () => Promise<void>;
}

type Mode = "pass" | "refuse" | "freeze" | "blackhole";

interface Conditions {
  mode: Mode;
  latencyMs: number;
}

/** One connection of a client and the one to the server that belongs to it. */
interface Link {
  /** True once it has lost bytes: nothing gets through it any more. */
  isDead: boolean;
  isClientOpen: () => boolean;
  reset: () => void;
  flush: () => void;
}

/** Chunks of one direction held back at most, before the sender is made to wait. */
const HELD_CHUNKS_MAX = 256;

/** Starts a proxy on a free port of 127.0.0.1 to the host and port of a server's URL. */
export async function startTcpProxy(serverUrl: string): Promise<TcpProxy> {
  let targets = [new URL(serverUrl)];
  let turn = 0;
  const conditions: Conditions = { mode: "pass", latencyMs: 0 };
  const links = new Set<Link>();

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (conditions.mode === "refuse") {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const target = targets[turn++ % targets.length];
    if (target === undefined) throw new Error("the proxy leads nowhere");
    const upstream = createConnection({
      host: target.hostname,
      port: Number(target.port),
      allowHalfOpen: true,
    });
    const link = linkSockets(client, upstream, conditions, () => links.delete(link));
    link.isDead = conditions.mode === "blackhole";
    links.add(link);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = new URL(serverUrl);
  url.host = `127.0.0.1:${port}`;

  const cut = (): void => {
    for (const link of links) link.reset();
  };
  return {
    port,
    url: url.toString(),
    connections: () => [...links].filter((link) => link.isClientOpen()).length,
    setLatency: (ms) => {
      conditions.latencyMs = ms;
    },
    cut,
    refuse: () => {
      conditions.mode = "refuse";
      cut();
    },
    freeze: () => {
      conditions.mode = "freeze";
    },
    blackhole: () => {
      conditions.mode = "blackhole";
      for (const link of links) link.isDead = true;
    },
    heal: () => {
      conditions.mode = "pass";
      conditions.latencyMs = 0;
      for (const link of links) link.flush();
    },
    leadTo: (...serverUrls) => {
      targets = serverUrls.map((one) => new URL(one));
    },
    stop: async () => {
      cut();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

function linkSockets(
  client: Socket,
  upstream: Socket,
  conditions: Conditions,
  onClosed: () => void,
): Link {
  const reset = (): void => {
    client.resetAndDestroy();
    upstream.resetAndDestroy();
    onClosed();
  };
  const link: Link = {
    isDead: false,
    isClientOpen: () => !client.destroyed,
    reset,
    flush: () => {
      flushUp();
      flushDown();
    },
  };
  const flushUp = forward(client, upstream, link, conditions);
  const flushDown = forward(upstream, client, link, conditions);
  for (const socket of [client, upstream]) {
    socket.setNoDelay(true);
    socket.on("error", () => {
      if (!link.isDead) reset();
    });
    socket.on("close", () => {
      if (client.destroyed && upstream.destroyed) onClosed();
    });
  }
  return link;
}

/** Forwards one direction in order; answers how to try again what is held back. */
function forward(from: Socket, to: Socket, link: Link, conditions: Conditions): () => void {
  const held: { chunk: Buffer | "end"; dueMs: number }[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    clearTimeout(timer);
    while (held[0] !== undefined && conditions.mode === "pass" && !link.isDead) {
      const { chunk, dueMs } = held[0];
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) {
        timer = setTimeout(flush, earlyMs);
        return;
      }
      held.shift();
      if (chunk === "end") to.end();
      else if (!to.write(chunk)) from.pause();
    }
    if (held.length < HELD_CHUNKS_MAX && !to.writableNeedDrain) from.resume();
  }

  function hold(chunk: Buffer | "end"): void {
    if (link.isDead) {
      // The other side never learns that this one has hung up.
      if (chunk === "end") from.destroy();
      return;
    }
    held.push({ chunk, dueMs: performance.now() + conditions.latencyMs });
    if (held.length >= HELD_CHUNKS_MAX) from.pause();
    flush();
  }

  from.on("data", hold);
  from.on("end", () => hold("end"));
  from.on("close", () => clearTimeout(timer));
  to.on("drain", flush);
  return flush;
}
