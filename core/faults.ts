import { FAULTS, type FaultSpec } from "./fault-table.ts";

export { FAULTS, type FaultSpec } from "./fault-table.ts";

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
  return invalidFields([{ field, message }]);
}

/** Wrong fields of a body, all of them at once. */
export function invalidFields(details: readonly FaultDetail[]): Fault {
  return new Fault("BODY_INVALID", "the body does not fit the schema; `errors` names the fields", {
    details,
  });
}

/** One wrong query parameter or header, in our own words. */
export function invalidParameter(name: string, message: string): Fault {
  return new Fault("PARAMETER_INVALID", `${name} ${message}`, {
    details: [{ field: name, message }],
  });
}
