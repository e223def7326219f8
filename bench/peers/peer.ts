import { join } from "node:path";

import { describeError } from "../../adapters/terminal/failure.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { type Call, generateCalls } from "../load/calls.ts";
import type { Bench } from "../measure/bench.ts";
import {
  climb,
  CONNECTIONS,
  CONNECTIONS_QUICK,
  countExpected,
  mostPerSecond,
} from "../measure/climb.ts";
import { noteCosts } from "../measure/cost.ts";
import { openLoads } from "../measure/loads.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { startSampler } from "../machine/sampler.ts";

/** Something that is measured beside Tollgate by the same calls. */
export interface Peer {
  /** As in the figures: `Bento, tuned`. */
  title: string;
  command: readonly string[];
  env: Record<string, string>;
  readyPath: string;
  /** Of a good answer; default 202. */
  status?: number;
  /** What it is asked; default: `POST /generate` of `peerUsers`. */
  calls?: readonly Call[];
  /** Looks, once it is warm, whether it does what it is said to do; returns what is wrong. */
  probe?: (url: string) => Promise<string[]>;
}

export interface RunningPeer extends Peer {
  url: string;
  pid: number;
  /** The end of what it wrote to its standard error. */
  logTail: () => Promise<string>;
}

const READY_MS = 30_000;
const USERS = 2_000;
const LOG_TAIL_CHARS = 2_000;

/** Keys as long as Tollgate's. A peer that does not authenticate takes them for the users' ids. */
export const peerUsers = (): { apiKey: string }[] =>
  Array.from({ length: USERS }, (_, index) => ({
    apiKey: `tg_${String(index).padStart(43, "0")}`,
  }));

export const peerCalls = async (): Promise<Call[]> =>
  generateCalls(peerUsers(), await shortBodies(500));

/** Runs a peer as a process of its own, on the port that `build` is given; it responds when this returns. */
export async function startPeer(
  bench: Bench,
  build: (port: number) => Peer,
  undo: AsyncDisposableStack,
): Promise<RunningPeer> {
  const [port = 0] = await findFreePorts(1);
  const peer = build(port);
  const url = `http://127.0.0.1:${port}`;
  const logPath = join(bench.folder, `peer-${port}.log`);
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
export const PEER_WARM_UP = { ratePerSecond: 1_000, seconds: 2, connections: 32 } as const;

/**
 * Measures a peer as the frontier of Tollgate is: the same bodies and numbers of connections, and at 1,000/s.
 */
export async function measurePeer(bench: Bench, peer: RunningPeer): Promise<void> {
  const { title, status = 202 } = peer;
  const labels = new Map([...bench.servers.labels, [process.pid, "bench"], [peer.pid, "peer"]]);
  const sampler = startSampler({ labels });
  try {
    const loads = openLoads(bench, peer.url, sampler);
    const files = loads.calls(peer.calls ?? (await peerCalls()));
    await loads.unmeasured(files, { ...PEER_WARM_UP, status });
    for (const wrong of (await peer.probe?.(peer.url)) ?? []) bench.fail(wrong);
    sampler.restart();
    const [steady, ...closed] = await climb(loads, files, {
      rates: [1_000],
      connectionsAtRate: 128,
      connections: bench.isQuick ? CONNECTIONS_QUICK : CONNECTIONS,
      seconds: bench.isQuick ? 2 : 8,
      status,
    });
    bench.figure(`${title}: accepted per second, most`, "req/s", mostPerSecond(closed));
    bench.figure(`${title}: accept at 1,000/s, p99`, "ms", steady?.latencyMs.p99 ?? 0);
    bench.measured.samples = [...sampler.samples()];
    noteCosts({ ...bench, sampler }, countExpected(bench.measured.loads));
  } catch (error) {
    throw new Error(`${describeError(error)}\n${await peer.logTail()}`, { cause: error });
  } finally {
    sampler.stop();
  }
}
