import type { Scenario } from "../measure/bench.ts";
import { onStack } from "../measure/session.ts";
import { statusCalls } from "../measure/stored.ts";
import { shortBodies } from "../prompts/prompts.ts";

const QUIET_MS = 60_000;
const FILL = { ratePerSecond: 1_000, seconds: 4, connections: 64 };

export const status: Scenario = {
  name: "status",
  about: "GET /status/{id} of completed requests at a constant 5,000/s",
  part: "quick",
  needs: ["k6", "wrk"],
  rows: ["status_p99_ms"],
  run: onStack({ users: 1_000, quietWithinMs: QUIET_MS }, async (session) => {
    await session.unmeasured(session.generate(await shortBodies(500)), FILL);
    await session.stack.books.untilQuiet(QUIET_MS);
    session.sampler.restart();
    const files = session.calls(await statusCalls(session));
    const seconds = session.isQuick ? 6 : 20;
    const pace = { ratePerSecond: 5_000, seconds, connections: 256, status: 200 };
    const load = await session.load("status at 5,000/s", files, pace);
    session.row("status_p99_ms", load.latencyMs.p99);
    if (load.perSecond < 4_900)
      session.fail(`only ${load.perSecond.toFixed(0)} of 5,000 per second were answered`);
    if (session.isQuick) return;
    const byK6 = { ratePerSecond: 1_000, by: "k6", seconds: 10, connections: 50 } as const;
    await session.load("status at 1,000/s, by k6", files, { ...byK6, status: 200 });
    const closed = { seconds: 8, connections: 64, status: 200 };
    const most = await session.load("status, 64 connections", files, closed);
    session.figure("status per second, most", "req/s", most.perSecond);
  }),
};
