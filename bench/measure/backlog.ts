import type { Sql } from "../../adapters/postgres/connect.ts";
import { type Cost, cpuUsOf } from "./cost.ts";
import type { Session } from "./session.ts";

export const BACKLOG_LIMIT_MS = 10 * 60_000;

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

/** What it costs to work a request off, over so many seconds or until nothing is left. */
export async function measureWorkingOff(
  session: Session,
  name: string,
  seconds: number,
): Promise<Cost> {
  const cpuSince = session.sampler.watchCpu();
  const before = await count(session, "completed");
  const startedAt = performance.now();
  for (let waited = 0; waited < seconds && (await count(session, "open")) > 0; waited += 1)
    await Bun.sleep(1_000);
  const completed = (await count(session, "completed")) - before;
  const perSecond = completed / ((performance.now() - startedAt) / 1_000);
  return { name, perSecond, cpuUs: cpuUsOf(cpuSince(), completed) };
}
