import type { CallFiles } from "../load/calls.ts";
import { backlogSlope, growthOf } from "../machine/sampler.ts";
import type { Scenario } from "../measure/bench.ts";
import { costTable, measureCost } from "../measure/cost.ts";
import { FAST_MODEL_WORKER, onStack, type Session } from "../measure/session.ts";

const STACK = { users: 2_000, quietWithinMs: 120_000 };
const FAST_STACK = { ...STACK, settings: FAST_MODEL_WORKER };

export const pipeline: Scenario = {
  name: "pipeline",
  about: "everything on at a constant 1,000/s: mixed prompts, a model that responds at once",
  part: "quick",
  needs: ["k6"],
  rows: ["accept_p99_ms"],
  run: onStack(FAST_STACK, async (session) => {
    const files = await session.generate("mixed");
    await session.warmUp(files);
    const seconds = session.isQuick ? 8 : 60;
    const pace = { ratePerSecond: 1_000, by: "k6", seconds, connections: 100 } as const;
    const cost = await measureCost(session, "pipeline at 1,000/s", files, pace);
    session.row("accept_p99_ms", cost.latencyMs.p99);
    const growth = backlogSlope(session.sampler.samples());
    session.figure("growth of the backlog meanwhile", "messages/s", growth);
    session.table(costTable("What a request costs", "load", [cost]));
    if (cost.perSecond < 990)
      session.fail(`only ${cost.perSecond.toFixed(0)} of 1,000 per second were accepted`);
  }),
};

const RATES = [1_000, 1_500, 2_000, 2_600, 3_000, 3_500, 4_100, 5_000];
const RATES_QUICK = [1_000, 2_000, 2_600];
/**
 * A backlog counts as flat while it grows by less than this share of what comes in, and so much is accepted.
 */
const GROWTH_SHARE_MAX = 0.04;
const LATE_SHARE_MAX = 0.02;
/** At first what is under way piles up, whatever the rate. */
const LEAD_IN_MS = 2_000;

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
async function sustain(session: Session, files: CallFiles, ratePerSecond: number) {
  const seconds = session.isQuick ? 6 : 20;
  const startedAtMs = Date.now();
  const name = `end to end at ${ratePerSecond.toLocaleString("en")}/s`;
  const load = await session.load(name, files, { ratePerSecond, seconds, connections: 256 });
  const endedAtMs = startedAtMs + seconds * 1_000;
  const completed = await completedWithin(session, startedAtMs + LEAD_IN_MS, endedAtMs);
  const isAccepted = load.perSecond >= ratePerSecond * (1 - LATE_SHARE_MAX);
  return { completed, isFlat: isAccepted && completed >= ratePerSecond * (1 - GROWTH_SHARE_MAX) };
}

export const sustained: Scenario = {
  name: "sustained",
  about: "everything on at growing rates: the most that is completed while the backlog stays flat",
  part: "quick",
  rows: ["completed_per_second"],
  run: onStack(FAST_STACK, async (session) => {
    const files = await session.generate("mixed");
    await session.warmUp(files);
    let best = 0;
    let most = 0;
    for (const rate of session.isQuick ? RATES_QUICK : RATES) {
      const { completed, isFlat } = await sustain(session, files, rate);
      most = Math.max(most, completed);
      if (!isFlat) {
        const seen = `${completed.toFixed(0)}/s were completed: the backlog grew`;
        session.note(`at ${rate}/s offered ${seen}`);
        break;
      }
      best = completed;
    }
    session.row("completed_per_second", best);
    session.figure("completed per second, most", "req/s", most);
  }),
};

const SOAK_MINUTES = 30;
const SOAK_RATE = 500;
/** Caches fill and the compiler settles first; that growth is not a leak. */
const SETTLED_SECONDS = 300;

export const soak: Scenario = {
  name: "soak",
  about: `everything on at ${SOAK_RATE}/s for ${SOAK_MINUTES} minutes, mixed prompts: does memory grow?`,
  part: "soak",
  rows: ["gateway_memory_slope"],
  run: onStack(STACK, async (session) => {
    const files = await session.generate("mixed");
    await session.warmUp(files);
    const minutes = session.isQuick ? 2 : SOAK_MINUTES;
    const pace = { ratePerSecond: SOAK_RATE, seconds: minutes * 60, connections: 128 };
    await session.load(`${minutes} minutes at ${SOAK_RATE}/s`, files, pace);
    const from = Math.min(SETTLED_SECONDS, (minutes * 60) / 4);
    const settled = session.sampler.samples().filter(({ atSeconds }) => atSeconds >= from);
    const slopeOf = (part: string): number =>
      growthOf(settled, ({ bytes }) => (bytes[part] ?? 0) / 2 ** 20);
    session.row("gateway_memory_slope", slopeOf("gateway"));
    for (const part of ["worker", "collector"])
      session.figure(`slope of the ${part}'s memory`, "MB/min", slopeOf(part));
    session.figure("growth of the backlog", "messages/s", backlogSlope(settled));
  }),
};
