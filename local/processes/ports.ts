import { connect, createServer } from "node:net";

/**
 * Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that none of
 * those is in the way.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 29_999;
const TRIES_MAX = 200;

/** Whether a server could listen there now. */
export function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** Ports that nothing listens on, all different. */
export async function findFreePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; tries < TRIES_MAX && found.size < count; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN + 1));
    if (await isPortFree(port)) found.add(port);
  }
  if (found.size < count)
    throw new Error(`no ${count} free ports between ${PORT_MIN} and ${PORT_MAX}`);
  return [...found];
}

const CONNECT_PAUSE_MS = 10;

/** True once something listens on the port; false when nothing does within the limit. */
export async function waitForListener(
  port: number,
  limitMs: number,
  host = "127.0.0.1",
): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (!(await canConnect(port, host))) {
    if (Date.now() > deadline) return false;
    await Bun.sleep(CONNECT_PAUSE_MS);
  }
  return true;
}

function canConnect(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
