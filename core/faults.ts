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
  KEY_MISSING: { status: 401, domain: "client", retryable: false, title: "No API key was given" },
  KEY_MALFORMED: {
    status: 401,
    domain: "client",
    retryable: false,
    title: "This is not an API key",
  },
  KEY_UNKNOWN: {
    status: 401,
    domain: "client",
    retryable: false,
    title: "The API key is unknown or revoked",
  },
  USER_INACTIVE: { status: 401, domain: "client", retryable: false, title: "The user is inactive" },
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
  CONTENT_TYPE_UNSUPPORTED: {
    status: 415,
    domain: "client",
    retryable: false,
    title: "The content type is not JSON",
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

export type FaultCode = keyof typeof FAULTS;

export interface FaultOptions extends ErrorOptions {
  /** Which fields are wrong and what is allowed: shown to the caller. */
  details?: readonly FaultDetail[];
  /** Whole seconds until the same call may succeed: becomes `Retry-After`. */
  retryAfterSeconds?: number;
  /** More response headers, for example the rate headers of a 429. */
  headers?: Record<string, string>;
  /** More members of the problem document. */
  extensions?: Record<string, unknown>;
}

export interface FaultDetail {
  /** JSON pointer into the body, or the name of the header or query parameter. */
  field: string;
  message: string;
}

/** An error that a caller may see. The message must contain no secret and no content of a user. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly details: readonly FaultDetail[];
  readonly retryAfterSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly extensions: Readonly<Record<string, unknown>>;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options);
    this.code = code;
    this.details = options.details ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.headers = options.headers ?? {};
    this.extensions = options.extensions ?? {};
  }

  get spec(): FaultSpec {
    return FAULTS[this.code];
  }
}

/**
 * Turns anything thrown into a fault: what is not one already becomes `INTERNAL`, with its cause for the log.
 */
export function toFault(error: unknown): Fault {
  return error instanceof Fault
    ? error
    : new Fault("INTERNAL", "an unexpected error", { cause: error });
}

/** Type guard for codes read back from storage or a queue. */
export function isFaultCode(code: string): code is FaultCode {
  return Object.hasOwn(FAULTS, code);
}

/** One wrong field of a body (a JSON pointer), in our own words. */
export function invalidField(field: string, message: string): Fault {
  return new Fault("BODY_INVALID", "the body does not fit the schema; `errors` names the fields", {
    details: [{ field, message }],
  });
}

/** One wrong query parameter or header, in our own words. */
export function invalidParameter(name: string, message: string): Fault {
  return new Fault("PARAMETER_INVALID", `${name} ${message}`, {
    details: [{ field: name, message }],
  });
}
