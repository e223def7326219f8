import { untilTrue } from "../../local/stack/eventually.ts";
import { shortBodies } from "../prompts/prompts.ts";
import type { Session } from "./session.ts";

const BODIES = 500;
const FILL_RATE = 3_000;
/** A slow machine drops part of what is offered. */
const FILLS_MAX = 20;
export const BACKLOG_LIMIT_MS = 10 * 60_000;
/** As often in a row the books must say the same. */
const READINGS = 10;
const POLL_PAUSE_MS = 200;
/** With less left of a backlog when the worker or collector is ready, its start counts as well. */
const LEFT_SHARE_MIN = 0.25;

/** Requests without a terminal state. */
export async function countOpen({ stack }: Session): Promise<number> {
  const [row] = await stack.books.database.run(
    "count open",
    (sql) => sql<{ n: number }[]>`select count(*)::int as n from requests where status = 'queued'`,
  );
  return row?.n ?? 0;
}

/** Requests that are in the ledger. */
export async function countCompleted({ stack }: Session): Promise<number> {
  const [row] = await stack.books.database.run(
    "count completed",
    (sql) => sql<{ n: number }[]>`select count(*)::int as n from token_logs`,
  );
  return row?.n ?? 0;
}

/** Messages that nobody has taken yet. */
export async function depthOf(
  { stack }: Session,
  queue: "inference_requests" | "inference_results",
): Promise<number> {
  return (await stack.books.depths())[queue] ?? 0;
}

/** Accepts about so many requests while nobody works on them; returns how many are open now. */
export async function fill(session: Session, count: number): Promise<number> {
  const files = session.generate(await shortBodies(BODIES));
  const wanted = (await countOpen(session)) + count;
  for (let tries = 0; tries < FILLS_MAX && (await countOpen(session)) < wanted; tries += 1) {
    const seconds = Math.ceil((wanted - (await countOpen(session))) / FILL_RATE);
    await session.unmeasured(files, { ratePerSecond: FILL_RATE, seconds, connections: 128 });
  }
  // Not the number of answers: a slow machine may accept the last ones after the generator has gone.
  let open = -1;
  let unchanged = 0;
  await untilTrue("what was accepted is in its queue", BACKLOG_LIMIT_MS, async () => {
    const before = open;
    open = await countOpen(session);
    const requests = await depthOf(session, "inference_requests");
    const waiting = requests + (await depthOf(session, "inference_results"));
    unchanged = open === waiting && open === before ? unchanged + 1 : 0;
    return unchanged >= READINGS;
  });
  return open;
}

/**
 * `count` falls to 0 by what `act` starts. Returns how much per second, from when that was ready, if there
 * was enough left then.
 */
export async function measureFall(
  count: () => Promise<number>,
  act: () => Promise<void>,
): Promise<{ perSecond: number; seconds: number }> {
  const whole = await count();
  const startedAt = performance.now();
  await act();
  const left = await count();
  const readyAt = performance.now();
  await untilTrue("the backlog is worked off", BACKLOG_LIMIT_MS, async () => {
    if ((await count()) <= 0) return true;
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
