import { invalidParameter } from "../../core/faults.ts";
import type { Usage, UsageQuery } from "../../core/quota/usage.ts";
import { dayOf } from "../../core/quota/windows.ts";
import type { GatewayPorts } from "../ports.ts";

/** The days and the grouping that a usage is asked for, as given; undefined: the default. */
export interface UsageQuestion {
  userId: string;
  from: string | undefined;
  to: string | undefined;
  by: UsageQuery["by"];
}

/** What was billed in a period. */
export interface UsageReport extends Period {
  rows: Usage[];
  total: Omit<Usage, "key">;
}

/** First and last UTC day, both included, `YYYY-MM-DD`. */
interface Period {
  from: string;
  to: string;
}

const DAY_MS = 86_400_000;
const DAYS_MAX = 366;

/**
 * Reads what a user was billed, from the ledger. Without `to` until today, without `from` since the first
 * of the month that `to` is in.
 *
 * @throws {Fault} PARAMETER_INVALID, STORE_UNAVAILABLE
 */
export async function readUsage(
  ports: Pick<GatewayPorts, "now" | "readUsage">,
  { userId, from, to, by }: UsageQuestion,
): Promise<UsageReport> {
  const period = periodOf(from, to, ports.now());
  const rows = await ports.readUsage({ userId, ...period, by });
  return { ...period, rows, total: totalOf(rows) };
}

function dayMs(name: string, text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // Some days that do not exist, such as 30 February, are parsed as a later one.
  if (Number.isNaN(ms) || dayOf(ms) !== text)
    throw invalidParameter(name, "must be a day as YYYY-MM-DD");
  return ms;
}

function periodOf(from: string | undefined, to: string | undefined, nowMs: number): Period {
  const last = to ?? dayOf(nowMs);
  const lastMs = dayMs("to", last);
  const first = from ?? `${last.slice(0, 7)}-01`;
  const firstMs = dayMs("from", first);
  if (firstMs > lastMs) throw invalidParameter("from", `must not be after ${last}`);
  if (lastMs - firstMs >= DAYS_MAX * DAY_MS)
    throw invalidParameter("from", `must be at most ${DAYS_MAX} days before the end, ${last}`);
  return { from: first, to: last };
}

function totalOf(rows: readonly Usage[]): UsageReport["total"] {
  const total = {
    requests: 0,
    failedRequests: 0,
    promptTokens: 0,
    completionTokens: 0,
    totalTokens: 0,
    cachedTokens: 0,
    reasoningTokens: 0,
  };
  for (const row of rows) {
    total.requests += row.requests;
    total.failedRequests += row.failedRequests;
    total.promptTokens += row.promptTokens;
    total.completionTokens += row.completionTokens;
    total.totalTokens += row.totalTokens;
    total.cachedTokens += row.cachedTokens;
    total.reasoningTokens += row.reasoningTokens;
  }
  return total;
}
