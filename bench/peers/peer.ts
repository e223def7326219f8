import { join } from "node:path";

import { describeError } from "../../adapters/terminal/failure.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { ROLES } from "../../local/roles.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { CallFiles } from "../load/calls.ts";
import {
  climb,
  CONNECTIONS,
  CONNECTIONS_QUICK,
  countExpected,
  mostPerSecond,
} from "../measure/climb.ts";
import { noteCosts } from "../measure/cost.ts";
import type { Session } from "../measure/session.ts";

/** Something that is measured beside Tollgate by the same calls, on the servers of a stack. */
export interface Peer {
  /** As in the figures: `Bento, tuned`. */
  title: string;
  command: readonly string[];
  env: Record<string, string>;
  readyPath: string;
  /** Looks, once it is warm, whether it does what it is said to do; returns what is wrong. */
  probe?: (url: string) => Promise<string[]>;
}

export interface RunningPeer extends Peer {
  url: string;
  pid: number;
  /** The end of what it wrote to its standard error. */
  logTail: () => Promise<string>;
}

/** A stack of which only the servers are there, with 2,000 users. */
export const SERVERS_ONLY = { users: 2_000, notYet: ROLES };

const READY_MS = 30_000;
const LOG_TAIL_CHARS = 2_000;

/** Runs a peer as a process of its own, on the port that `build` is given; it responds when this returns. */
export async function startPeer(
  { folder }: Session,
  build: (port: number) => Peer,
  undo: AsyncDisposableStack,
): Promise<RunningPeer> {
  const [port = 0] = await findFreePorts(1);
  const peer = build(port);
  const url = `http://127.0.0.1:${port}`;
  const logPath = join(folder, `peer-${port}.log`);
  const child = Bun.spawn([...peer.command], {
    env: { PATH: process.env["PATH"], ...peer.env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(logPath),
  });
  const logTail = async (): Promise<string> =>
    (await Bun.file(logPath).text()).slice(-LOG_TAIL_CHARS);
  undo.defer(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  await untilTrue(`${peer.title} is ready`, READY_MS, async () => {
    if (child.exitCode !== null) return true;
    const reply = await fetch(`${url}${peer.readyPath}`, { signal: AbortSignal.timeout(1_000) });
    await reply.body?.cancel();
    return reply.status < 500;
  });
  if (child.exitCode !== null) throw new Error(`${peer.title} ended at once: ${await logTail()}`);
  return { ...peer, url, pid: child.pid, logTail };
}

/** Connections to the servers, plans and caches are made by the first calls. */
const WARM_UP = { ratePerSecond: 1_000, seconds: 2, connections: 32 };

/** Warms a peer up and probes it; its process counts as `part` from now on. */
export async function warmUpPeer(
  session: Session,
  { url, pid, probe }: RunningPeer,
  part: string,
  files: CallFiles,
  status = 202,
): Promise<void> {
  session.sampler.watch(pid, part);
  await session.unmeasured(files, { ...WARM_UP, status }, url);
  for (const wrong of (await probe?.(url)) ?? []) session.fail(wrong);
}

/**
 * Measures a peer as the frontier of Tollgate is: the same bodies and numbers of connections, and at 1,000/s.
 */
export async function measurePeer(
  session: Session,
  peer: RunningPeer,
  files: CallFiles,
  status = 202,
): Promise<void> {
  const { isQuick, figure, sampler, load } = session;
  try {
    await warmUpPeer(session, peer, "peer", files, status);
    sampler.restart();
    const toPeer = {
      load: (...[name, to, pace]: Parameters<typeof load>) => load(name, to, pace, peer.url),
    };
    const loads = await climb(toPeer, files, {
      rates: [1_000],
      connectionsAtRate: 128,
      connections: isQuick ? CONNECTIONS_QUICK : CONNECTIONS,
      seconds: isQuick ? 2 : 8,
      status,
    });
    const [steady, ...closed] = loads;
    figure(`${peer.title}: accepted per second, most`, "req/s", mostPerSecond(closed));
    figure(`${peer.title}: accept at 1,000/s, p99`, "ms", steady?.latencyMs.p99 ?? 0);
    noteCosts(session, countExpected(loads));
  } catch (error) {
    throw new Error(`${describeError(error)}\n${await peer.logTail()}`, { cause: error });
  }
}
