/**
 * Who has to act: the caller, the operator by adding capacity, the owner of the ML service, or the operator
 * of Tollgate itself.
 */
export type FaultDomain = "client" | "capacity" | "upstream" | "platform";

export interface FaultSpec {
  /** HTTP status; for the faults of an executed request the status a synchronous proxy would have given. */
  status: number;
  domain: FaultDomain;
  /** Whether the same call may succeed later without the caller changing it. */
  retryable: boolean;
  title: string;
}

/**
 * Every error a caller may see, in one place. `docs/faults.md` lists the same codes; a test compares the two.
 * The first group is returned to HTTP calls, the second is stored as the `error` of a request that failed,
 * was cancelled or expired.
 */
export const FAULTS = {
  BODY_NOT_JSON: { status: 400, domain: "client", retryable: false, title: "The body is not JSON" },
  HOST_INVALID: { status: 400, domain: "client", retryable: false, title: "The Host is not valid" },
  KEY_MISSING: { status: 401, domain: "client", retryable: false, title: "No API key was given" },
  KEY_MALFORMED: {
    status: 401,
    domain: "client",
    retryable: false,
    title: "This is not an API key",
  },
  KEY_AMBIGUOUS: { status: 401, domain: "client", retryable: false, title: "Two keys were given" },
  KEY_UNKNOWN: {
    status: 401,
    domain: "client",
    retryable: false,
    title: "The API key is unknown or revoked",
  },
  USER_INACTIVE: { status: 401, domain: "client", retryable: false, title: "The user is inactive" },
  KEY_SCOPE: {
    status: 403,
    domain: "client",
    retryable: false,
    title: "The API key may not be used for this",
  },
  REQUEST_UNKNOWN: {
    status: 404,
    domain: "client",
    retryable: false,
    title: "There is no such request",
  },
  ROUTE_UNKNOWN: {
    status: 404,
    domain: "client",
    retryable: false,
    title: "There is no such route",
  },
  METHOD_UNSUPPORTED: {
    status: 405,
    domain: "client",
    retryable: false,
    title: "The route does not take this method",
  },
  MODEL_NOT_FOUND: {
    status: 404,
    domain: "client",
    retryable: false,
    title: "There is no such model",
  },
  WAIT_OVER: {
    status: 408,
    domain: "capacity",
    retryable: true,
    title: "The answer is not ready yet; the same call again goes on waiting for it",
  },
  BODY_TOO_SLOW: {
    status: 408,
    domain: "client",
    retryable: true,
    title: "The body did not come in time",
  },
  REQUEST_TERMINAL: {
    status: 409,
    domain: "client",
    retryable: false,
    title: "The request has already ended",
  },
  BODY_TOO_LARGE: {
    status: 413,
    domain: "client",
    retryable: false,
    title: "The body is too large",
  },
  MESSAGE_TOO_LARGE: {
    status: 413,
    domain: "platform",
    retryable: false,
    title: "The request or its result is too large for the queue",
  },
  CONTENT_TYPE_UNSUPPORTED: {
    status: 415,
    domain: "client",
    retryable: false,
    title: "The content type is not JSON",
  },
  CONTENT_ENCODING_UNSUPPORTED: {
    status: 415,
    domain: "client",
    retryable: false,
    title: "The content encoding is not supported",
  },
  BODY_INVALID: {
    status: 422,
    domain: "client",
    retryable: false,
    title: "The body does not fit the schema",
  },
  PARAMETER_INVALID: {
    status: 422,
    domain: "client",
    retryable: false,
    title: "A parameter of the URL or a header is not valid",
  },
  MODEL_UNKNOWN: {
    status: 422,
    domain: "client",
    retryable: false,
    title: "There is no such model",
  },
  PROMPT_TOO_LONG: {
    status: 422,
    domain: "client",
    retryable: false,
    title: "The prompt is too long",
  },
  IDEMPOTENCY_MISMATCH: {
    status: 422,
    domain: "client",
    retryable: false,
    title: "The Idempotency-Key was used with another body",
  },
  QUOTA_EXCEEDED: {
    status: 429,
    domain: "client",
    retryable: true,
    title: "The quota does not allow this request now",
  },
  QUOTA_NEVER_FITS: {
    status: 429,
    domain: "client",
    retryable: false,
    title: "The request is larger than the quota of a whole window",
  },
  FAILURES_EXCEEDED: {
    status: 429,
    domain: "client",
    retryable: true,
    title: "Too many executions of this user failed in this window",
  },
  CONCURRENCY_EXCEEDED: {
    status: 429,
    domain: "client",
    retryable: true,
    title: "Too many requests are open at once",
  },
  OUTBOX_FULL: {
    status: 503,
    domain: "capacity",
    retryable: true,
    title: "Too many requests wait for the queue",
  },
  OVERLOADED: {
    status: 503,
    domain: "capacity",
    retryable: true,
    title: "Too many calls are open at once",
  },
  DRAINING: {
    status: 503,
    domain: "capacity",
    retryable: true,
    title: "This gateway is shutting down",
  },
  STORE_UNAVAILABLE: {
    status: 503,
    domain: "platform",
    retryable: true,
    title: "The request store does not answer",
  },
  STORE_UNSURE: {
    status: 503,
    domain: "platform",
    retryable: true,
    title: "The request may have been stored: repeat the call with its key",
  },
  QUOTA_UNAVAILABLE: {
    status: 503,
    domain: "platform",
    retryable: true,
    title: "The quota store does not answer",
  },
  BROKER_UNAVAILABLE: {
    status: 503,
    domain: "platform",
    retryable: true,
    title: "The queue does not answer",
  },
  INTERNAL: { status: 500, domain: "platform", retryable: false, title: "Tollgate failed" },

  UPSTREAM_TIMEOUT: {
    status: 504,
    domain: "upstream",
    retryable: true,
    title: "The ML service did not answer in time",
  },
  UPSTREAM_UNREACHABLE: {
    status: 502,
    domain: "upstream",
    retryable: true,
    title: "The ML service cannot be reached",
  },
  UPSTREAM_UNAVAILABLE: {
    status: 503,
    domain: "upstream",
    retryable: true,
    title: "The ML service is not available",
  },
  UPSTREAM_REFUSED: {
    status: 502,
    domain: "platform",
    retryable: true,
    title: "The ML service refuses our credential or does not know the model",
  },
  UPSTREAM_BUSY: {
    status: 502,
    domain: "upstream",
    retryable: true,
    title: "The ML service is busy",
  },
  UPSTREAM_FAILED: {
    status: 502,
    domain: "upstream",
    retryable: true,
    title: "The ML service failed",
  },
  UPSTREAM_REJECTED: {
    status: 502,
    domain: "upstream",
    retryable: false,
    title: "The ML service refused the request",
  },
  UPSTREAM_REPLY_INVALID: {
    status: 502,
    domain: "upstream",
    retryable: true,
    title: "The reply of the ML service is not valid",
  },
  UPSTREAM_REPLY_TOO_LARGE: {
    status: 502,
    domain: "upstream",
    retryable: false,
    title: "The reply of the ML service is too large",
  },
  MODEL_REMOVED: {
    status: 422,
    domain: "platform",
    retryable: false,
    title: "The model is no longer configured",
  },
  PAYLOAD_UNREADABLE: {
    status: 500,
    domain: "platform",
    retryable: false,
    title: "The stored request cannot be read",
  },
  RESULT_UNREADABLE: {
    status: 500,
    domain: "platform",
    retryable: false,
    title: "The result cannot be read",
  },
  WORKER_CRASHED: {
    status: 500,
    domain: "platform",
    retryable: false,
    title: "Workers crashed on this request",
  },
  QUEUE_TTL_PASSED: {
    status: 504,
    domain: "capacity",
    retryable: true,
    title: "The request waited longer than its queue_ttl",
  },
  CANCELLED: {
    status: 409,
    domain: "client",
    retryable: false,
    title: "The request was cancelled",
  },
} as const satisfies Record<string, FaultSpec>;
