import type { Scenario } from "../measure/bench.ts";
import { ACCEPT_ONLY, onStack } from "../measure/session.ts";
import { shortBodies } from "../prompts/prompts.ts";

const USERS = 100;
const RATE = 2_000;
const ADMITTED_SHARE = 0.1;
const secondsOf = ({ isQuick }: { isQuick: boolean }): number => (isQuick ? 5 : 20);
/** What fits into the quota of each user. */
const requestsOf = (seconds: number): number =>
  Math.round((RATE * seconds * ADMITTED_SHARE) / USERS);

export const quotaStorm: Scenario = {
  name: "quota-storm",
  about: "POST /generate at 2,000/s, nine calls in ten over quota: exactly what fits is admitted",
  part: "quick",
  run: onStack(
    (bench) => ({
      users: USERS,
      daily: { requests: requestsOf(secondsOf(bench)) },
      notYet: ACCEPT_ONLY,
    }),
    async (session) => {
      const seconds = secondsOf(session);
      const files = session.generate(await shortBodies(500));
      const pace = { ratePerSecond: RATE, seconds, connections: 128, status: 429 };
      const load = await session.load("refusals at 2,000/s", files, pace);
      const admitted = load.unexpected["202"] ?? 0;
      session.figure("refusal, p99", "ms", load.latencyMs.p99);
      session.figure("admitted of all calls", "%", (admitted / (RATE * seconds)) * 100);
      const fitting = USERS * requestsOf(seconds);
      if (admitted !== fitting)
        session.fail(`${fitting} requests fit into the quotas, ${admitted} were admitted`);
    },
  ),
};
