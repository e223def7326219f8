import type { Sql } from "../../adapters/postgres/connect.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { type Cost, cpuUsOf, watchCpu } from "./cost.ts";
import type { Session } from "./session.ts";

const FILL_RATE = 3_000;
/** A slow machine drops part of what is offered. */
const FILLS_MAX = 20;
export const BACKLOG_LIMIT_MS = 10 * 60_000;
/** As often in a row the books must say the same. */
const READINGS = 10;
const POLL_PAUSE_MS = 200;
/** With less left of a backlog when the worker or collector is ready, its start counts as well. */
const LEFT_SHARE_MIN = 0.25;

type Counted = { n: number }[];
const COUNTS = {
  /** Without a terminal state. */
  open: (sql: Sql) => sql<Counted>`select count(*)::int as n from requests where status = 'queued'`,
  /** In the ledger. */
  completed: (sql: Sql) => sql<Counted>`select count(*)::int as n from token_logs`,
  parked: (sql: Sql) => sql<Counted>`select count(*)::int as n from parked`,
};

/** How many requests are so now. */
export async function count({ stack }: Session, which: keyof typeof COUNTS): Promise<number> {
  const [row] = await stack.books.database.run(`count ${which}`, COUNTS[which]);
  return row?.n ?? 0;
}

/** Accepts about so many requests while nobody works on them; returns how many are open now. */
export async function fill(session: Session, amount: number): Promise<number> {
  const files = await session.generate("short");
  const wanted = (await count(session, "open")) + amount;
  for (let tries = 0; tries < FILLS_MAX; tries += 1) {
    const missing = wanted - (await count(session, "open"));
    if (missing <= 0) break;
    const seconds = Math.ceil(missing / FILL_RATE);
    await session.unmeasured(files, { ratePerSecond: FILL_RATE, seconds, connections: 128 });
  }
  // Not the number of answers: a slow machine may accept the last ones after the generator has gone.
  let open = -1;
  let unchanged = 0;
  await untilTrue("what was accepted is in its queue", BACKLOG_LIMIT_MS, async () => {
    const before = open;
    open = await count(session, "open");
    const { inference_requests: waiting } = await session.stack.books.depths();
    unchanged = open === waiting && open === before ? unchanged + 1 : 0;
    return unchanged >= READINGS;
  });
  return open;
}

/**
 * What is open falls to 0 by what `act` starts. Returns how much per second, from when that was ready, if
 * there was enough left then.
 */
export async function measureFall(
  session: Session,
  act: () => Promise<void>,
): Promise<{ perSecond: number; seconds: number }> {
  const whole = await count(session, "open");
  const startedAt = performance.now();
  await act();
  const left = await count(session, "open");
  const readyAt = performance.now();
  await untilTrue("the backlog is worked off", BACKLOG_LIMIT_MS, async () => {
    if ((await count(session, "open")) <= 0) return true;
    // Counting 100,000 rows takes PostgreSQL some milliseconds, which must not become part of what is
    // measured.
    await Bun.sleep(POLL_PAUSE_MS);
    return false;
  });
  const endedAt = performance.now();
  const [amount, from] = left > whole * LEFT_SHARE_MIN ? [left, readyAt] : [whole, startedAt];
  const seconds = (endedAt - from) / 1_000;
  return { perSecond: amount / seconds, seconds };
}

/** What it costs to work a request off, over so many seconds or until nothing is left. */
export async function measureWorkingOff(session: Session, seconds: number): Promise<Cost> {
  const cpuSince = watchCpu(session);
  const before = await count(session, "completed");
  const startedAt = performance.now();
  for (let waited = 0; waited < seconds && (await count(session, "open")) > 0; waited += 1)
    await Bun.sleep(1_000);
  const completed = (await count(session, "completed")) - before;
  const perSecond = completed / ((performance.now() - startedAt) / 1_000);
  return { perSecond, cpuUs: cpuUsOf(cpuSince(), completed) };
}
