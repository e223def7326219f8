import { type Fault, FAULTS } from "../../core/faults.ts";
import { jsonResponse } from "./json-response.ts";

const PROBLEM_TYPES: Partial<Record<keyof typeof FAULTS, string>> = {
  QUOTA_EXCEEDED: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  QUOTA_NEVER_FITS: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  CONCURRENCY_EXCEEDED: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  OUTBOX_FULL: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
  OVERLOADED: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
};

/** Without a better estimate a caller of a 503 comes back after this many seconds. */
const RETRY_AFTER_SECONDS = 1;

function headersOf(fault: Fault): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    ...fault.headers,
  };
  if (fault.spec.status === 401) headers["www-authenticate"] = 'Bearer realm="tollgate"';
  if (fault.spec.status === 503)
    headers["retry-after"] = String(fault.retryAfterSeconds ?? RETRY_AFTER_SECONDS);
  else if (fault.retryAfterSeconds !== undefined)
    headers["retry-after"] = String(fault.retryAfterSeconds);
  // SDKs that retry on the status alone obey this.
  if (!fault.spec.retryable) headers["x-should-retry"] = "false";
  return headers;
}

/** A fault as RFC 9457 problem details. The cause is for the log, never for the caller. */
export function problemResponse(fault: Fault): Response {
  return jsonResponse(
    {
      type: PROBLEM_TYPES[fault.code] ?? "about:blank",
      title: fault.spec.title,
      status: fault.spec.status,
      detail:
        fault.code === "INTERNAL" ? "The call failed; the operator's log says why." : fault.message,
      code: fault.code,
      ...(fault.details.length > 0 ? { errors: fault.details } : {}),
      ...fault.extensions,
    },
    { status: fault.spec.status, headers: headersOf(fault) },
  );
}
