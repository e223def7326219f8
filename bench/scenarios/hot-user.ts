import type { Scenario } from "../measure/bench.ts";
import { warmUp } from "../measure/climb.ts";
import { ACCEPT_ONLY, onStack } from "../measure/session.ts";
import { shortBodies } from "../prompts/prompts.ts";

export const hotUser: Scenario = {
  name: "hot-user",
  about: "POST /generate of a single user, closed loop: every hold is taken from the same counters",
  part: "full",
  needs: ["wrk"],
  run: onStack({ users: 1, notYet: ACCEPT_ONLY }, async (session) => {
    const bodies = await shortBodies(500);
    await warmUp(session, bodies);
    const pace = { seconds: 8, connections: 64 };
    const load = await session.load("64 connections, one user", session.generate(bodies), pace);
    session.figure("accepted per second, one user", "req/s", load.perSecond);
  }),
};
