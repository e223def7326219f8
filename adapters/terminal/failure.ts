/** What the exit code of a command means; `./tollgate --help` lists them. */
export const EXIT = {
  failed: 1,
  usage: 2,
  notRunning: 3,
  alreadyRunning: 4,
  interrupted: 130,
} as const;

/** A command that cannot do what was asked. The message is one line and says what to do; it is printed without a stack trace. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: number;

  constructor(message: string, options: ErrorOptions & { exitCode?: number } = {}) {
    super(message, options);
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

/** The text of anything that was thrown, on one line. */
export function describeError(error: unknown): string {
  // A client that tried several addresses throws an AggregateError, whose own message is empty.
  if (error instanceof AggregateError && error.errors.length > 0)
    return describeError(error.errors[0]);
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replaceAll(/\s*\n\s*/g, "; ");
}
