import pino from "pino";

import type { Config } from "../../core/config/schema.ts";
import type { Log } from "../../runtime/log.ts";

interface SerializedError {
  type: string;
  message: string;
  code?: unknown;
  stack?: string | undefined;
  cause?: SerializedError;
}

const CAUSES_MAX = 4;

/** Only these fields: client libraries attach statements, parameters and whole commands to their errors. */
function serializeError(error: unknown, depth = 0): SerializedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  return {
    type: error.name,
    message: error.message,
    ...("code" in error ? { code: error.code } : {}),
    ...(depth === 0 ? { stack: error.stack } : {}),
    ...(error.cause !== undefined && depth < CAUSES_MAX
      ? { cause: serializeError(error.cause, depth + 1) }
      : {}),
  };
}

export interface RoleLog extends Log {
  /** From now on, less severe lines are not written. */
  setLevel: (level: Config["log_level"]) => void;
}

/**
 * JSON lines on standard output, from `info` on until told otherwise. An error goes into the field `err`; its
 * cause is kept, its attachments are not.
 */
export function createLog(role: string): RoleLog {
  const logger = pino({
    level: "info",
    base: { role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: (error: unknown) => serializeError(error) },
  });
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    setLevel: (level) => {
      logger.level = level;
    },
  };
}
