import type { Scenario } from "../measure/bench.ts";
import { warmUp } from "../measure/climb.ts";
import { noteCosts } from "../measure/cost.ts";
import { FAST_MODEL_WORKER, onStack } from "../measure/session.ts";
import { mixedBodies } from "../prompts/prompts.ts";
import { backlogSlope } from "../machine/sampler.ts";

const STACK = { users: 2_000, quietWithinMs: 120_000, settings: FAST_MODEL_WORKER };

export const pipeline: Scenario = {
  name: "pipeline",
  about: "everything on at a constant 1,000/s: mixed prompts, a model that responds at once",
  part: "quick",
  needs: ["k6"],
  rows: ["accept_p99_ms"],
  run: onStack(STACK, async (session) => {
    const bodies = await mixedBodies(1_000);
    await warmUp(session, bodies);
    const seconds = session.isQuick ? 8 : 60;
    const pace = { ratePerSecond: 1_000, by: "k6", seconds, connections: 100 } as const;
    const load = await session.load("pipeline at 1,000/s", session.generate(bodies), pace);
    session.row("accept_p99_ms", load.latencyMs.p99);
    const slope = backlogSlope(session.sampler.samples());
    session.figure("growth of the backlog meanwhile", "messages/s", slope);
    noteCosts(session, load.expected);
    if (load.perSecond < 990)
      session.fail(`only ${load.perSecond.toFixed(0)} of 1,000 per second were accepted`);
  }),
};
