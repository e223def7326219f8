import { BACKLOG_LIMIT_MS, countOpen, depthOf, fill, measureFall } from "../measure/backlog.ts";
import type { Scenario } from "../measure/bench.ts";
import { ACCEPT_ONLY, onStack } from "../measure/session.ts";

const STACK = { users: 1_000, notYet: ACCEPT_ONLY, quietWithinMs: BACKLOG_LIMIT_MS };

export const collectorAlone: Scenario = {
  name: "collector",
  about: "50,000 results wait; only the collector runs",
  part: "full",
  run: onStack(STACK, async (session) => {
    const { stack } = session;
    await fill(session, session.isQuick ? 5_000 : 50_000);
    await measureFall(
      () => depthOf(session, "inference_requests"),
      () => stack.startRole("worker"),
    );
    // Finishes what it owns.
    await stack.stopRole("worker");
    session.sampler.restart();
    const { perSecond } = await measureFall(
      () => countOpen(session),
      () => stack.startRole("collector"),
    );
    session.figure("collected per second, collector alone", "req/s", perSecond);
  }),
};
