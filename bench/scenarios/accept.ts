import { warmUp } from "../measure/climb.ts";
import type { Scenario } from "../measure/bench.ts";
import { ACCEPT_ONLY, onStack } from "../measure/session.ts";
import { shortBodies } from "../prompts/prompts.ts";

export const accept: Scenario = {
  name: "accept",
  about: "POST /generate at a constant 1,000/s, thousands of users, no worker running",
  part: "full",
  needs: ["k6"],
  run: onStack({ users: 2_000, notYet: ACCEPT_ONLY }, async (session) => {
    const bodies = await shortBodies(500);
    await warmUp(session, bodies);
    const seconds = session.isQuick ? 5 : 20;
    const pace = { ratePerSecond: 1_000, by: "k6", seconds, connections: 100 } as const;
    const load = await session.load("accept at 1,000/s", session.generate(bodies), pace);
    session.figure("accept at 1,000/s, p99", "ms", load.latencyMs.p99);
  }),
};
