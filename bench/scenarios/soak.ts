import type { Scenario } from "../measure/bench.ts";
import { warmUp } from "../measure/climb.ts";
import { onStack } from "../measure/session.ts";
import { mixedBodies } from "../prompts/prompts.ts";
import { backlogSlope } from "../machine/sampler.ts";
import { slope } from "../statistics.ts";

const MINUTES = 30;
const RATE = 500;
/** Caches fill and the compiler settles first; that growth is not a leak. */
const SETTLED_SECONDS = 300;

export const soak: Scenario = {
  name: "soak",
  about: `everything on at ${RATE}/s for ${MINUTES} minutes, mixed prompts: does memory grow?`,
  part: "soak",
  rows: ["gateway_memory_slope"],
  run: onStack({ users: 2_000, quietWithinMs: 120_000 }, async (session) => {
    const bodies = await mixedBodies(1_000);
    await warmUp(session, bodies);
    const minutes = session.isQuick ? 2 : MINUTES;
    const pace = { ratePerSecond: RATE, seconds: minutes * 60, connections: 128 };
    await session.load(`${minutes} minutes at ${RATE}/s`, session.generate(bodies), pace);
    const from = Math.min(SETTLED_SECONDS, (minutes * 60) / 4);
    const settled = session.sampler.samples().filter(({ atSeconds }) => atSeconds >= from);
    const slopeOf = (part: string): number =>
      slope(settled.map((one) => ({ x: one.atSeconds / 60, y: (one.bytes[part] ?? 0) / 2 ** 20 })));
    session.row("gateway_memory_slope", slopeOf("gateway"));
    for (const part of ["worker", "collector"])
      session.figure(`slope of the ${part}'s memory`, "MB/min", slopeOf(part));
    session.figure("growth of the backlog", "messages/s", backlogSlope(settled));
  }),
};
