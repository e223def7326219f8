/** What the exit code of a command means, in all commands alike; `./tollgate --help` lists them. */
export const EXIT = {
  /** It was not done, or what was looked at is not as it should be. */
  failed: 1,
  /** Used wrongly, or the configuration is wrong. */
  usage: 2,
  /** No `up` runs here, and nothing says what else to work on. */
  notRunning: 3,
  alreadyRunning: 4,
  /** The quota does not allow it. */
  refused: 5,
  /** What the command was pointed at cannot be reached, or cannot work. */
  unreachable: 6,
  /** The request goes on; the command has waited long enough. */
  stillOpen: 7,
  interrupted: 130,
} as const;

/**
 * A command cannot do what was asked. The message, one line that says what to do, is printed without a stack.
 */
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
