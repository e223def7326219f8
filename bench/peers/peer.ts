import { join } from "node:path";

import type { Figure } from "../figures.ts";
import { generateCalls, writeCalls } from "../load/calls.ts";
import { type LoadPlan, runLoad } from "../load/run-load.ts";
import { shortBodies } from "../prompts/prompts.ts";
import type { BenchContext, Measured } from "../scenarios/scenario.ts";
import { costFigures, type Sampler, startSampler } from "../stack/sampler.ts";
import { type Peer, peerUsers, type RunningPeer, startPeer } from "./start-peer.ts";

const CONNECTIONS = [8, 16, 32, 64, 128, 256, 512];
const CONNECTIONS_QUICK = [64, 256];
/** Connections to the servers, plans and caches are made by the first calls. */
export const PEER_WARM_UP = {
  name: "warm-up",
  generator: "paced",
  ratePerSecond: 1_000,
  seconds: 2,
  connections: 32,
} as const;

/**
 * Measures a peer as `climb` does Tollgate: the same bodies, the same numbers of connections, and at 1,000/s. `build` gets the port
 * that it is to listen on.
 */
export async function measurePeer(
  context: BenchContext,
  build: (port: number) => Promise<Peer> | Peer,
): Promise<Measured> {
  const peer = await startPeer(context, build);
  const labels = new Map([...context.servers.labels, [process.pid, "bench"], [peer.pid, "peer"]]);
  const sampler = startSampler({ labels });
  try {
    return await climbPeer(context, peer, sampler);
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(`${what}\n${await peer.logTail()}`, { cause: error });
  } finally {
    sampler.stop();
    await peer.stop();
  }
}

async function climbPeer(
  context: BenchContext,
  { title, url, probe, calls, expectStatus = 202 }: RunningPeer,
  sampler: Sampler,
): Promise<Measured> {
  const stem = join(context.folder, "calls-peer");
  const files = writeCalls(calls ?? generateCalls(peerUsers(), await shortBodies(500)), url, stem);
  const tools = { programs: context.tools, folder: context.folder, watch: sampler.watch };
  const seconds = context.isQuick ? 2 : 8;
  const measured: Measured = { figures: [], loads: [], samples: [], notes: [], failures: [] };
  const plan = { url, files, seconds, expectStatus };
  const run = (wish: LoadPlan): Promise<unknown> =>
    context.progress.step(`  ${wish.name}`, async () => {
      const result = await runLoad(wish, tools);
      measured.loads.push(result);
      return {
        detail: `${Math.round(result.perSecond)}/s, p99 ${result.latencyMs.p99.toFixed(1)} ms`,
      };
    });
  await runLoad({ ...plan, ...PEER_WARM_UP }, tools);
  measured.failures.push(...((await probe?.(url)) ?? []));
  sampler.restart();
  await run({
    ...plan,
    name: `${title} at 1,000/s`,
    generator: "paced",
    ratePerSecond: 1_000,
    connections: 128,
  });
  for (const connections of context.isQuick ? CONNECTIONS_QUICK : CONNECTIONS) {
    const name = `${title}, ${connections} connections`;
    await run({ ...plan, name, generator: "wrk", connections });
  }
  measured.samples = [...sampler.samples()];
  const accepted = measured.loads.reduce((sum, { expected }) => sum + expected, 0);
  measured.figures.push(...figuresOf(title, measured), ...costFigures(measured.samples, accepted));
  for (const { name, unexpected } of measured.loads) {
    const wrong = Object.entries(unexpected).map(([status, count]) => `${count} × ${status}`);
    if (wrong.length > 0) measured.notes.push(`${name}: ${wrong.join(", ")}`);
  }
  return measured;
}

function figuresOf(title: string, { loads }: Measured): Figure[] {
  const [steady, ...closed] = loads;
  return [
    {
      what: `${title}: accepted per second, most`,
      unit: "req/s",
      value: Math.max(0, ...closed.map(({ perSecond }) => perSecond)),
    },
    {
      what: `${title}: accept at 1,000/s, p99`,
      unit: "ms",
      value: steady?.latencyMs.p99 ?? 0,
    },
  ];
}
