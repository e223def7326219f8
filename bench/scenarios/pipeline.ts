import type { Sample } from "../figures.ts";
import { mixedBodies } from "../prompts/prompts.ts";
import { slope } from "../statistics.ts";
import { costFigures } from "../stack/sampler.ts";
import { warmUp } from "./accept.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const USERS = 2_000;
const BODIES = 1_000;
const QUIET_MS = 120_000;

/** A worker for a model that answers at once, as docs/scaling.md says: what it may hold bounds what it completes per second. */
export const FAST_MODEL_WORKER = { worker: { actors: 200, prefetch: 256 } } as const;
const OPTIONS = { users: USERS, quietWithinMs: QUIET_MS, settings: FAST_MODEL_WORKER };

/** Growth of what waits in the queues, messages per second. */
export function backlogSlope(samples: readonly Sample[]): number {
  return slope(
    samples.map(({ atSeconds, queues }) => ({
      x: atSeconds,
      y: (queues["requests"] ?? 0) + (queues["results"] ?? 0),
    })),
  );
}

export async function countCompleted({ stack }: Session): Promise<number> {
  const [row] = await stack.books.database.run(
    "count completed",
    (sql) => sql<{ n: number }[]>`select count(*)::int as n from token_logs`,
  );
  return row?.n ?? 0;
}

export const pipeline: Scenario = {
  name: "pipeline",
  about:
    "everything on at a constant 1,000/s: mixed real-life prompts, thousands of users, a model that answers at once",
  inQuick: true,
  needs: ["k6"],
  run: (context) =>
    withSession(context, OPTIONS, async (session) => {
      const bodies = await mixedBodies(BODIES);
      await warmUp(session, bodies);
      const seconds = context.isQuick ? 8 : 60;
      const load = await session.load({
        name: "pipeline at 1,000/s",
        generator: "k6",
        files: session.generate(bodies),
        ratePerSecond: 1_000,
        seconds,
        connections: 100,
        expectStatus: 202,
      });
      session.figure({
        target: "accept_p99_ms",
        what: "accept at 1,000/s while all of it is worked off, p99",
        unit: "ms",
        value: load.latencyMs.p99,
      });
      session.figure({
        what: "growth of the backlog meanwhile",
        unit: "messages/s",
        value: backlogSlope(session.stack.samples()),
      });
      for (const figure of costFigures(session.stack.samples(), load.expected))
        session.figure(figure);
      if (load.perSecond < 990)
        session.fail(`only ${load.perSecond.toFixed(0)} of 1,000 per second were accepted`);
    }),
};

const RATES = [1_000, 1_500, 2_000, 2_600, 3_000, 3_500, 4_100, 5_000];
const RATES_QUICK = [1_000, 2_000, 2_600];
/** A backlog counts as flat while it grows by less than this share of what comes in, and so much is accepted. */
const GROWTH_SHARE_MAX = 0.04;
const LATE_SHARE_MAX = 0.02;
/** At first what is under way piles up, whatever the rate. */
const LEAD_IN_MS = 2_000;

interface Step {
  ratePerSecond: number;
  completedPerSecond: number;
  isFlat: boolean;
}

/** Requests per second whose end was committed within a period, Unix milliseconds. */
async function completedWithin({ stack }: Session, fromMs: number, toMs: number): Promise<number> {
  const [row] = await stack.books.database.run(
    "count completed within",
    (sql) => sql<{ n: number }[]>`
      select count(*)::int as n
      from token_logs
      where created_at >= ${fromMs}::timestamptz
        and created_at < ${toMs}::timestamptz`,
  );
  return (row?.n ?? 0) / ((toMs - fromMs) / 1_000);
}

/** Offers a rate and looks how much of it is completed meanwhile. */
async function sustain(session: Session, ratePerSecond: number): Promise<Step> {
  const seconds = session.isQuick ? 6 : 20;
  const files = session.generate(await mixedBodies(BODIES));
  const startedAtMs = Date.now();
  const load = await session.load({
    name: `end to end at ${ratePerSecond.toLocaleString("en")}/s`,
    generator: "paced",
    files,
    ratePerSecond,
    seconds,
    connections: 256,
    expectStatus: 202,
  });
  const endedAtMs = startedAtMs + seconds * 1_000;
  const completedPerSecond = await completedWithin(session, startedAtMs + LEAD_IN_MS, endedAtMs);
  const isFlat =
    load.perSecond >= ratePerSecond * (1 - LATE_SHARE_MAX) &&
    completedPerSecond >= ratePerSecond * (1 - GROWTH_SHARE_MAX);
  return { ratePerSecond, completedPerSecond, isFlat };
}

export const sustained: Scenario = {
  name: "sustained",
  about:
    "everything on at growing rates, mixed prompts: the most that is completed per second while the backlog stays flat",
  inQuick: true,
  run: (context) =>
    withSession(context, OPTIONS, async (session) => {
      await warmUp(session, await mixedBodies(BODIES));
      let best = 0;
      let most = 0;
      for (const ratePerSecond of context.isQuick ? RATES_QUICK : RATES) {
        const step = await sustain(session, ratePerSecond);
        most = Math.max(most, step.completedPerSecond);
        if (!step.isFlat) {
          session.note(
            `at ${ratePerSecond}/s offered ${step.completedPerSecond.toFixed(0)}/s were completed: the backlog grew`,
          );
          break;
        }
        best = step.completedPerSecond;
      }
      session.figure({
        target: "completed_per_second",
        what: "completed per second with a flat backlog",
        unit: "req/s",
        value: best,
      });
      session.figure({ what: "completed per second, most", unit: "req/s", value: most });
    }),
};
