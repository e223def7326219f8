import { mixedBodies } from "../prompts/prompts.ts";
import { slope } from "../statistics.ts";
import { warmUp } from "./accept.ts";
import { backlogSlope } from "./pipeline.ts";
import type { Scenario } from "./scenario.ts";
import { withSession } from "./session.ts";

const MINUTES = 30;
const RATE = 500;
/** Caches fill and the compiler settles first; that growth is not a leak. */
const SETTLED_SECONDS = 300;
const PARTS = ["gateway", "worker", "collector"] as const;
const QUIET_MS = 120_000;

export const soak: Scenario = {
  name: "soak",
  about: `everything on at ${RATE}/s for ${MINUTES} minutes, mixed prompts: does memory grow?`,
  inQuick: false,
  onlyWith: "soak",
  run: (context) =>
    withSession(context, { users: 2_000, quietWithinMs: QUIET_MS }, async (session) => {
      const bodies = await mixedBodies(1_000);
      await warmUp(session, bodies);
      const minutes = context.isQuick ? 2 : MINUTES;
      await session.load({
        name: `${minutes} minutes at ${RATE}/s`,
        generator: "paced",
        files: session.generate(bodies),
        ratePerSecond: RATE,
        seconds: minutes * 60,
        connections: 128,
        expectStatus: 202,
      });
      const samples = session.stack.samples();
      const from = Math.min(SETTLED_SECONDS, (minutes * 60) / 4);
      const settled = samples.filter(({ atSeconds }) => atSeconds >= from);
      for (const part of PARTS) {
        const points = settled.map(({ atSeconds, bytes }) => ({
          x: atSeconds / 60,
          y: (bytes[part] ?? 0) / 1_048_576,
        }));
        session.figure({
          ...(part === "gateway" ? { target: "gateway_memory_slope" as const } : {}),
          what: `slope of the ${part}'s memory`,
          unit: "MB/min",
          value: slope(points),
        });
      }
      session.figure({
        what: "growth of the backlog",
        unit: "messages/s",
        value: backlogSlope(settled),
      });
    }),
};
