import { Fault, type FaultCode } from "../../core/faults.ts";
import { explainQuota, type Refusal } from "../../core/quota/explain.ts";
import type { QuotaUse } from "../../core/quota/quota.ts";
import { rateHeaders } from "./rate-headers.ts";

/** Why a request of this size is refused, in words and numbers, with the earliest time it would fit. */
export function quotaFault(snapshot: QuotaUse, tokens: number): Fault {
  const { refusals, neverFits, retryAfterSeconds } = explainQuota(snapshot, tokens);
  const reasons = refusals.map(({ window, measure, used, limit, wanted }) =>
    measure === "failed_executions"
      ? `${window} failed executions: ${used} of ${limit}`
      : `${window} ${measure}: ${used} of ${limit} used, ${wanted} wanted`,
  );
  const extensions = {
    estimated_tokens: tokens,
    "violated-policies": refusals.map((refusal) => `${refusal.window}-${refusal.measure}`),
  };
  const headers = rateHeaders(snapshot);
  const detail = reasons.join("; ");
  if (neverFits)
    return new Fault(
      "QUOTA_NEVER_FITS",
      `no window is large enough, so waiting does not help: ${detail}`,
      { headers, extensions },
    );
  return new Fault(codeOf(refusals), detail, {
    headers,
    extensions,
    ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }),
  });
}

/** Failures before all else: they are what the caller can mend. */
function codeOf(refusals: readonly Refusal[]): FaultCode {
  if (refusals.some(({ measure }) => measure === "failed_executions")) return "FAILURES_EXCEEDED";
  const isConcurrency =
    refusals.length > 0 && refusals.every(({ window }) => window === "concurrent");
  return isConcurrency ? "CONCURRENCY_EXCEEDED" : "QUOTA_EXCEEDED";
}
