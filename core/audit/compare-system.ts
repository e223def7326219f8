import type { DurableState } from "../request/request.ts";
import type { LedgerAnomaly, LedgerSums, RequestCounts, SumAnomaly } from "./books.ts";
import type { SystemDifference } from "./difference.ts";

/** Conservation (guarantee I1): every accepted request is open or in one terminal state. */
export function judgeRequests(counts: RequestCounts): SystemDifference[] {
  const { accepted, queued: open } = counts;
  const terminal = counts.completed + counts.failed + counts.cancelled + counts.expired;
  return accepted === terminal + open
    ? []
    : [{ kind: "requests_unaccounted", accepted, terminal, open }];
}

/**
 * What is wrong with the ledger rows of a request (guarantee I2): it must have one row when it was executed,
 * none when it was not, and the amounts of the request. Never returns an empty list: an anomaly is wrong by
 * definition.
 */
export function judgeLedger(anomaly: LedgerAnomaly): SystemDifference[] {
  const { requestId, state, attempts, rows } = anomaly;
  const differences: SystemDifference[] = [];
  if (rows > 1) differences.push({ kind: "ledger_duplicate", requestId, rows });
  if (rows > 0 && !wasExecuted(state, attempts)) {
    differences.push({ kind: "ledger_unexecuted", requestId, state });
  }
  if (rows === 0 && wasExecuted(state, attempts)) {
    differences.push({ kind: "ledger_missing", requestId, state });
  }
  return differences.length > 0
    ? differences
    : [{ kind: "ledger_differs", requestId, state, rows }];
}

const SUM_UNITS = [
  ["tokens", "tokens"],
  ["requests", "requests"],
  ["failedRequests", "failed_requests"],
  ["failedExecutions", "failed_executions"],
] as const satisfies readonly (readonly [keyof LedgerSums, string])[];

/** Shows the first of the sums that differs. */
export function judgeSum({ userId, day, ledger, sums }: SumAnomaly): SystemDifference {
  const [measure, unit] = SUM_UNITS.find(([name]) => ledger[name] !== sums[name]) ?? SUM_UNITS[0];
  const [ours, theirs] = [ledger[measure], sums[measure]];
  return { kind: "ledger_sum_differs", userId, day, unit, ledger: ours, sum: theirs };
}

/** Whether the ledger has a row of such a request: with tokens, or, when all failed, without. */
function wasExecuted(state: DurableState, attempts: number): boolean {
  switch (state) {
    case "completed":
      return true;
    case "failed":
    case "cancelled":
      return attempts > 0;
    case "queued":
    case "expired":
      return false;
  }
}
