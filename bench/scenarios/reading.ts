import type { AcceptedReply } from "../../gateway/http/schemas.ts";
import type { Scenario } from "../measure/bench.ts";
import { statusCalls } from "../measure/requests.ts";
import { onStack } from "../measure/session.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { percentilesOf } from "../statistics.ts";

const QUIET_MS = 60_000;
const FILL = { ratePerSecond: 1_000, seconds: 4, connections: 64 };

export const status: Scenario = {
  name: "status",
  about: "GET /status/{id} of completed requests at a constant 5,000/s",
  part: "quick",
  needs: ["k6", "wrk"],
  rows: ["status_p99_ms"],
  run: onStack({ users: 1_000, quietWithinMs: QUIET_MS }, async (session) => {
    await session.unmeasured(await session.generate("short"), FILL);
    await session.stack.books.untilQuiet(QUIET_MS);
    session.sampler.restart();
    const files = session.calls(await statusCalls(session, "all"));
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

const ROUNDS = 200;

export const alone: Scenario = {
  name: "alone",
  about: "concurrency 1: one caller, one call after the other, a model that responds at once",
  part: "full",
  needs: ["wrk"],
  run: onStack({ users: 1, quietWithinMs: QUIET_MS }, async (session) => {
    const pace = { seconds: session.isQuick ? 3 : 10, connections: 1 };
    const posts = await session.generate("short");
    const accept = await session.load("accept, one at a time", posts, pace);
    session.figure("accept, one at a time, p50", "ms", accept.latencyMs.p50);
    await session.stack.books.untilQuiet(QUIET_MS);
    const gets = session.calls(await statusCalls(session, "all"));
    const read = await session.load("status, one at a time", gets, { ...pace, status: 200 });
    session.figure("status, one at a time, p50", "ms", read.latencyMs.p50);

    const whole: number[] = [];
    const [user] = session.users;
    for (const body of await shortBodies(ROUNDS)) {
      const startedAt = performance.now();
      const { request_id: id } = await session.ask<AcceptedReply>(user, "/generate", body);
      await session.ask(user, `/status/${id}?wait=10`);
      whole.push(performance.now() - startedAt);
    }
    const { p50, p99 } = percentilesOf(Float64Array.from(whole));
    session.figure("from the call to the completed result, p50", "ms", p50);
    session.figure("from the call to the completed result, p99", "ms", p99);
  }),
};
