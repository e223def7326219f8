/**
 * Structured log: fields first, then a constant message. Never prompts, results, keys or connection URLs with
 * passwords.
 */
export type LogLine = (fields: Record<string, unknown>, message: string) => void;

export interface Log {
  debug: LogLine;
  info: LogLine;
  warn: LogLine;
  error: LogLine;
}

/** For those whose log nobody reads: a command prints what matters itself, a test looks at other things. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
