import type { Scenario } from "../measure/bench.ts";
import { warmUp } from "../measure/climb.ts";
import { FAST_MODEL_WORKER, onStack, type Session } from "../measure/session.ts";
import { mixedBodies } from "../prompts/prompts.ts";

const STACK = { users: 2_000, quietWithinMs: 120_000, settings: FAST_MODEL_WORKER };
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
async function sustain(session: Session, ratePerSecond: number) {
  const seconds = session.isQuick ? 6 : 20;
  const files = session.generate(await mixedBodies(1_000));
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
  run: onStack(STACK, async (session) => {
    await warmUp(session, await mixedBodies(1_000));
    let best = 0;
    let most = 0;
    for (const rate of session.isQuick ? RATES_QUICK : RATES) {
      const { completed, isFlat } = await sustain(session, rate);
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
