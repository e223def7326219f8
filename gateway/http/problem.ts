import { type Fault, FAULTS } from "../../core/faults.ts";
import { jsonResponse } from "./json-response.ts";
import { openAiError } from "./openai-error.ts";

const PROBLEM_TYPES: Partial<Record<keyof typeof FAULTS, string>> = {
  QUOTA_EXCEEDED: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  QUOTA_NEVER_FITS: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  CONCURRENCY_EXCEEDED: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  OUTBOX_FULL: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
  OVERLOADED: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
};

/** Without a better estimate a caller of a 503 comes back after this many seconds. */
const RETRY_AFTER_SECONDS = 1;

/** SDKs of OpenAI obey a longer `Retry-After` not at all: they try again within seconds. */
const OBEYED_SECONDS_MAX = 60;

/** Whether an SDK that repeats calls by itself may repeat this one. */
function mayRetry({ spec, retryAfterSeconds = 0 }: Fault): boolean {
  return spec.retryable && spec.status !== 409 && retryAfterSeconds <= OBEYED_SECONDS_MAX;
}

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
  if (!mayRetry(fault)) headers["x-should-retry"] = "false";
  const { request_id: requestId } = fault.extensions;
  if (typeof requestId === "string") headers["x-request-id"] = requestId;
  return headers;
}

/**
 * A fault as RFC 9457 problem details, which OpenAI's SDKs can read as well. The cause is for the log, never
 * for the caller.
 */
export function problemResponse(fault: Fault): Response {
  const detail =
    fault.code === "INTERNAL" ? "The call failed; the operator's log says why." : fault.message;
  return jsonResponse(
    {
      type: PROBLEM_TYPES[fault.code] ?? "about:blank",
      title: fault.spec.title,
      status: fault.spec.status,
      detail,
      code: fault.code,
      error: openAiError(fault, detail),
      ...(fault.details.length > 0 ? { errors: fault.details } : {}),
      ...fault.extensions,
    },
    { status: fault.spec.status, headers: headersOf(fault) },
  );
}
