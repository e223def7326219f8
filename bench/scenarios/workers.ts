import { BACKLOG_LIMIT_MS, depthOf, fill, measureFall } from "../measure/backlog.ts";
import type { Scenario } from "../measure/bench.ts";
import { ACCEPT_ONLY, onStack } from "../measure/session.ts";

/** Milliseconds that the simulator takes, and requests enough for about ten seconds. */
const SIMULATORS = [
  { ms: 0, requests: 20_000 },
  { ms: 50, requests: 12_000 },
  { ms: 500, requests: 1_200 },
] as const;
const ACTORS = 64;
const STACK = {
  users: 1_000,
  workers: 1,
  notYet: ACCEPT_ONLY,
  settings: { models: { "sim-chat": { concurrency_max: ACTORS, concurrency_min: ACTORS } } },
  quietWithinMs: BACKLOG_LIMIT_MS,
};

export const workerPool: Scenario = {
  name: "workers",
  about: `one worker of ${ACTORS} actors, models that take 0, 50 and 500 ms; nothing is collected`,
  part: "full",
  run: onStack(STACK, async (session) => {
    const { stack } = session;
    for (const { ms, requests } of SIMULATORS) {
      await stack.simulator.set({ ttft_ms: ms });
      const open = await fill(session, session.isQuick ? requests / 4 : requests);
      const { perSecond } = await measureFall(
        async () => open - (await depthOf(session, "inference_results")),
        () => stack.startRole("worker"),
      );
      await stack.stopRole("worker");
      session.figure(`executed per second, model takes ${ms} ms`, "req/s", perSecond);
      if (ms === 0) continue;
      const what = `of what ${ACTORS} actors could do at most, model takes ${ms} ms`;
      session.figure(what, "%", (perSecond / ((ACTORS / ms) * 1_000)) * 100);
    }
    await stack.startRole("collector");
  }),
};
