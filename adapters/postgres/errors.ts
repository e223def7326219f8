import postgres from "postgres";

/**
 * SQLSTATE classes of errors that lie in the values of a statement: 22 data exception, 23 integrity
 * constraint violation.
 */
const DATA_FAULT_CLASSES = ["22", "23"];
const UNIQUE_VIOLATION = "23505";
const READ_ONLY = "25006";

/**
 * Whether a statement failed because of the values it was given: without the bad row the others of the batch
 * succeed, so that the batch may be bisected (runtime/bisect.ts). Everything else is wrong for all rows.
 */
export function isDataFault(error: unknown): boolean {
  return (
    error instanceof postgres.PostgresError &&
    DATA_FAULT_CLASSES.some((start) => error.code.startsWith(start))
  );
}

/** A value that must be unique is taken already. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.code === UNIQUE_VIOLATION;
}

/**
 * Whether an error came from the server or the connection and not from our own code: it has a code (SQLSTATE,
 * errno, CONNECTION_…).
 */
export function isServerError(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.name !== "Fault"
  );
}

const LOST_CODES = [
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNRESET",
  "EPIPE",
];

const RECOVERING = "57P03";
/** SQLSTATE: too many connections; the server starts, stops or recovers. */
const REFUSAL_CODES = ["53300", RECOVERING];

/** Whether the server took no connection. Those that stand go on. */
export function isRefusal(error: unknown): boolean {
  return error instanceof postgres.PostgresError && REFUSAL_CODES.includes(error.code);
}

/** The server starts, stops or recovers. */
export function isRecovering(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.code === RECOVERING;
}

/** The server takes no writes. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.code === READ_ONLY;
}

/**
 * Whether an established connection ended with this error: the last one of the server (severity FATAL or
 * PANIC) or of the socket.
 */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return !isOfStatement(error) && !isRefusal(error);
  return isServerError(error) && LOST_CODES.includes(String((error as { code?: unknown }).code));
}

/** Whether the server refused a statement, on a connection that goes on. */
export function isOfStatement(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.severity === "ERROR";
}

/**
 * Whether a pooler refuses a setting that a connection asks for. By its words, because PgBouncer has one code
 * (08P01) for whatever it refuses. https://www.pgbouncer.org/config.html#ignore_startup_parameters
 */
export function isRefusedSetting(error: unknown): boolean {
  return (
    error instanceof postgres.PostgresError &&
    error.code === "08P01" &&
    error.message.startsWith("unsupported startup parameter")
  );
}
