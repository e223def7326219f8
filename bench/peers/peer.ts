import { join } from "node:path";

import { describeError } from "../../adapters/terminal/failure.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { CallFiles } from "../load/calls.ts";
import { climb, mostPerSecond } from "../measure/climb.ts";
import { countExpected, noteCosts } from "../measure/cost.ts";
import type { Session } from "../measure/session.ts";

/** Something that is measured beside Tollgate by the same calls, on the servers of a stack. */
interface Peer {
  /** As in the figures: `Bento, tuned`. */
  title: string;
  /** What its process is called in samples, tables and charts. */
  part: string;
  command: string[];
  /** It listens on the port in `PEER_PORT`, which is added. */
  env: Readonly<Record<string, string>>;
}

export interface RunningPeer extends Pick<Peer, "title" | "part"> {
  url: string;
  pid: number;
  /** The end of what it wrote to its standard error. */
  logTail: () => Promise<string>;
}

const READY_MS = 30_000;
const LOG_TAIL_CHARS = 2_000;
/** Connections to the servers, plans and caches are made by the first calls. */
const WARM_UP = { ratePerSecond: 1_000, seconds: 2, connections: 32 };

/** Runs a peer as a process of its own, which `undo` ends; it responds when this returns. */
export async function startPeer(
  { folder }: Session,
  { title, part, command, env }: Peer,
  undo: AsyncDisposableStack,
): Promise<RunningPeer> {
  const [port = 0] = await findFreePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const log = Bun.file(join(folder, `peer-${port}.log`));
  const child = Bun.spawn(command, {
    env: { PATH: process.env["PATH"], ...env, PEER_PORT: String(port) },
    stdin: "ignore",
    stdout: "ignore",
    stderr: log,
  });
  const logTail = async (): Promise<string> => (await log.text()).slice(-LOG_TAIL_CHARS);
  undo.defer(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  await untilTrue(`${title} is ready`, READY_MS, async () => {
    if (child.exitCode !== null) return true;
    // It need not have a route for this; any answer will do.
    const reply = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await reply.body?.cancel();
    return reply.status < 500;
  });
  if (child.exitCode !== null) throw new Error(`${title} ended at once: ${await logTail()}`);
  return { title, part, url, pid: child.pid, logTail };
}

/** Warms a peer up; its process counts as `part` from now on. */
export async function warmUpPeer(
  { sampler, unmeasured }: Session,
  { url, pid, part }: RunningPeer,
  files: CallFiles,
): Promise<void> {
  sampler.watch(pid, part);
  await unmeasured(files, { ...WARM_UP, url });
}

/**
 * Measures a peer as the frontier of Tollgate is: the same bodies and numbers of connections, and at 1,000/s.
 */
export async function measurePeer(session: Session, peer: RunningPeer): Promise<void> {
  const { isQuick, figure, sampler } = session;
  try {
    const files = await session.generate("short");
    await warmUpPeer(session, peer, files);
    sampler.restart();
    const pace = { connections: 128, seconds: isQuick ? 2 : 8, url: peer.url };
    const loads = await climb(session, files, [1_000], pace);
    const [steady, ...closed] = loads;
    figure(`${peer.title}: accepted per second, most`, "req/s", mostPerSecond(closed));
    figure(`${peer.title}: accept at 1,000/s, p99`, "ms", steady?.latencyMs.p99 ?? 0);
    noteCosts(session, countExpected(loads));
  } catch (error) {
    throw new Error(`${describeError(error)}\n${await peer.logTail()}`, { cause: error });
  }
}
