import type { DurableState } from "../request/request.ts";
import type { LedgerAnomaly, RequestCounts, SumAnomaly } from "./books.ts";
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
 * What is wrong with the ledger rows of a request (guarantee I2): it must have one row when completed, at
 * most one otherwise, none when nothing was executed, and the amounts of the request. Never returns an empty
 * list: an anomaly is wrong by definition.
 */
export function judgeLedger(anomaly: LedgerAnomaly): SystemDifference[] {
  const { requestId, state, attempts, rows } = anomaly;
  const differences: SystemDifference[] = [];
  if (rows > 1) differences.push({ kind: "ledger_duplicate", requestId, rows });
  if (rows > 0 && !mayBeBilled(state, attempts)) {
    differences.push({ kind: "ledger_unexecuted", requestId, state });
  }
  if (rows === 0 && state === "completed") differences.push({ kind: "ledger_missing", requestId });
  return differences.length > 0
    ? differences
    : [{ kind: "ledger_differs", requestId, state, rows }];
}

/** Compares tokens, or requests where the tokens agree. */
export function judgeSum({ userId, day, ledger, sums }: SumAnomaly): SystemDifference {
  const unit = ledger.tokens === sums.tokens ? "requests" : "tokens";
  return { kind: "ledger_sum_differs", userId, day, ledger: ledger[unit], sum: sums[unit] };
}

/** Failed and cancelled requests are billed for what their attempts used, if there was an attempt. */
function mayBeBilled(state: DurableState, attempts: number): boolean {
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
