import { Command, CommanderError } from "commander";

import { CommandFailure, describeError, EXIT } from "./failure.ts";
import { printable, printableText } from "./printable.ts";

/** A program to which options or commands are added, for `runProgram`. */
export function createProgram(name: string): Command {
  return new Command(name)
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(printableText(text)) })
    .exitOverride();
}

/** Runs what the arguments of this process ask for, and ends the process with the exit code of that. */
export async function runProgram(
  program: Command,
  env: Record<string, string | undefined>,
): Promise<never> {
  // Whoever read our output is gone (`| head`): what is being started or stopped still has to be finished.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  try {
    await program.parseAsync();
  } catch (error) {
    process.exit(report(error, (env["TOLLGATE_DEBUG"] ?? "") !== ""));
  }
  // A client library that keeps a socket must not keep the command.
  process.exit();
}

function report(error: unknown, withStack: boolean): number {
  // Commander has written its message already; help and version are not failures.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  process.stderr.write(`tollgate: ${printable(describeError(error))}\n`);
  if (withStack && error instanceof Error)
    process.stderr.write(`${printableText(error.stack ?? "")}\n`);
  return error instanceof CommandFailure ? error.exitCode : EXIT.failed;
}
