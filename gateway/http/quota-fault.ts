import { Fault } from "../../core/faults.ts";
import { explainQuota } from "../../core/quota/explain.ts";
import type { QuotaUse } from "../../core/quota/quota.ts";
import { rateHeaders } from "./rate-headers.ts";

/** Why a request of this size is refused, in words and numbers, with the earliest time it would fit. */
export function quotaFault(snapshot: QuotaUse, tokens: number): Fault {
  const { refusals, neverFits, retryAfterSeconds } = explainQuota(snapshot, tokens);
  const isConcurrency =
    refusals.length > 0 && refusals.every((refusal) => refusal.window === "concurrent");
  const reasons = refusals.map(
    ({ window, measure, used, limit, wanted }) =>
      `${window} ${measure}: ${used} of ${limit} used, ${wanted} wanted`,
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
  return new Fault(isConcurrency ? "CONCURRENCY_EXCEEDED" : "QUOTA_EXCEEDED", detail, {
    headers,
    extensions,
    ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }),
  });
}
