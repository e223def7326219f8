import { shortBodies } from "../prompts/prompts.ts";
import type { Scenario } from "./scenario.ts";
import { withSession } from "./session.ts";

const USERS = 100;
const RATE = 2_000;
const ADMITTED_SHARE = 0.1;

export const quotaStorm: Scenario = {
  name: "quota-storm",
  about:
    "POST /generate at 2,000/s of 100 users of whom nine calls in ten are over quota: exactly what fits is admitted",
  inQuick: true,
  run: (context) => {
    const seconds = context.isQuick ? 5 : 20;
    const requests = Math.round((RATE * seconds * ADMITTED_SHARE) / USERS);
    return withSession(
      context,
      { users: USERS, daily: { requests }, notYet: ["worker", "collector"] },
      async (session) => {
        const load = await session.load({
          name: "refusals at 2,000/s",
          generator: "paced",
          files: session.generate(await shortBodies(500)),
          ratePerSecond: RATE,
          seconds,
          connections: 128,
          expectStatus: 429,
        });
        const admitted = load.unexpected["202"] ?? 0;
        session.figure({ what: "refusal, p99", unit: "ms", value: load.latencyMs.p99 });
        session.figure({
          what: "admitted of all calls",
          unit: "%",
          value: (admitted / (RATE * seconds)) * 100,
        });
        if (admitted !== USERS * requests)
          session.fail(
            `${USERS * requests} requests fit into the quotas, ${admitted} were admitted`,
          );
      },
    );
  },
};
