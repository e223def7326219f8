import { BACKLOG_LIMIT_MS, countOpen, fill, measureFall } from "../measure/backlog.ts";
import type { Scenario } from "../measure/bench.ts";
import { ACCEPT_ONLY, FAST_MODEL_WORKER, onStack } from "../measure/session.ts";

const STACK = {
  users: 1_000,
  notYet: ACCEPT_ONLY,
  settings: FAST_MODEL_WORKER,
  quietWithinMs: BACKLOG_LIMIT_MS,
};

export const drain: Scenario = {
  name: "drain",
  about: "a backlog of 100,000 requests (10,000 with --quick) is worked off, collected and settled",
  part: "quick",
  run: onStack(STACK, async (session) => {
    const count = await fill(session, session.isQuick ? 10_000 : 100_000);
    await session.stack.startRole("collector");
    session.sampler.restart();
    const { perSecond, seconds } = await measureFall(
      () => countOpen(session),
      () => session.stack.startRole("worker"),
    );
    session.figure(`drained per second, backlog of ${count}`, "req/s", perSecond);
    session.note(`measured over ${seconds.toFixed(1)} s`);
  }),
};
