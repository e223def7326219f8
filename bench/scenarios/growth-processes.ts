import { grow, type Measurement } from "../growth/grow.ts";
import type { Bench, Scenario } from "../measure/bench.ts";
import { warmUp } from "../measure/climb.ts";
import { measureCost } from "../measure/cost.ts";
import { type Session, withStack } from "../measure/session.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { peakMegabytes } from "../machine/sampler.ts";

/** What a request costs at a fixed rate, and how many are accepted at most. */
async function measure(session: Session, count: number): Promise<Measurement> {
  const bodies = await shortBodies(500);
  await warmUp(session, bodies);
  const files = session.generate(bodies);
  const seconds = session.isQuick ? 6 : 15;
  const pace = { ratePerSecond: 1_000, seconds, connections: 128 };
  const cost = await measureCost(session, `${count} of each, everything on`, files, pace);
  const samples = session.sampler.samples();
  const closed = { seconds, connections: 256 };
  const most = await session.load(`${count} of each, 256 connections`, files, closed);
  const extra = {
    "accepted per second, most": most.perSecond,
    "gateways, MB": peakMegabytes(samples, "gateway"),
    "workers, MB": peakMegabytes(samples, "worker"),
  };
  return { cost, extra };
}

/** On a stack of so many gateways, workers and collectors. */
function measureWith(bench: Bench, count: number): Promise<Measurement> {
  const fail = (text: string): void => bench.fail(`${count} of each: ${text}`);
  const processes = { gateways: count, workers: count, collectors: count };
  const options = { users: 2_000, ...processes, quietWithinMs: 120_000 };
  return withStack({ ...bench, fail }, options, (session) => measure(session, count));
}

export const growthProcesses: Scenario = {
  name: "growth-processes",
  about: "1, 2 and 4 gateways, workers and collectors: what a request costs, how many are accepted",
  part: "growth",
  needs: ["wrk"],
  run: async (bench) => {
    const titles = { cost: "By processes of each kind" };
    await grow(bench, "of each", titles, [1, 2, 4], async ({ to }) => ({
      cost: await measureWith(bench, to),
    }));
    bench.note("the charts are those of the last number of processes");
  },
};
