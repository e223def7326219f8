import { join } from "node:path";

import { findFreePorts } from "../../local/processes/ports.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { Session } from "../measure/session.ts";

/** Something that is measured beside Tollgate by the same calls, on the servers of a stack. */
interface Peer {
  /** What its process is called in samples, tables and charts. */
  part: string;
  command: string[];
  /** It listens on the port in `PEER_PORT`, which is added. */
  env: Readonly<Record<string, string>>;
}

const READY_MS = 30_000;
const LOG_TAIL_CHARS = 2_000;

/** Runs a peer as a process of its own, which `undo` ends. Returns its URL, where it responds by then. */
export async function startPeer(
  { folder, sampler }: Session,
  { part, command, env }: Peer,
  undo: AsyncDisposableStack,
): Promise<string> {
  const [port = 0] = await findFreePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const log = Bun.file(join(folder, `peer-${port}.log`));
  const child = Bun.spawn(command, {
    env: { PATH: process.env["PATH"], ...env, PEER_PORT: String(port) },
    stdin: "ignore",
    stdout: "ignore",
    stderr: log,
  });
  undo.defer(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  sampler.watch(child.pid, part);
  await untilTrue(`${part} is ready`, READY_MS, async () => {
    if (child.exitCode !== null) return true;
    // It need not have a route for this; any answer will do.
    const reply = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await reply.body?.cancel();
    return reply.status < 500;
  });
  if (child.exitCode !== null)
    throw new Error(`${part} ended at once: ${(await log.text()).slice(-LOG_TAIL_CHARS)}`);
  return url;
}
