import { Command, CommanderError } from "commander";

import { registerAudit } from "./commands/audit.ts";
import { registerBench } from "./commands/bench.ts";
import { registerCapacity } from "./commands/capacity.ts";
import { registerDead } from "./commands/dead.ts";
import { registerDown } from "./commands/down.ts";
import { registerGenerate } from "./commands/generate.ts";
import { registerKey } from "./commands/key.ts";
import { registerLogs } from "./commands/logs.ts";
import { registerMigrate } from "./commands/migrate.ts";
import { registerPs } from "./commands/ps.ts";
import { registerTest } from "./commands/test.ts";
import { registerUp } from "./commands/up.ts";
import { registerUser } from "./commands/user.ts";
import { CommandFailure, describeError, EXIT } from "../adapters/terminal/failure.ts";
import { printable, printableText } from "../adapters/terminal/printable.ts";

const HELP = `
Start here:  ./tollgate up

Exit codes: 0 done, ${EXIT.failed} failed, ${EXIT.usage} wrong use or configuration, ${EXIT.notRunning} nothing is up, ${EXIT.alreadyRunning} already up, ${EXIT.interrupted} interrupted.
TOLLGATE_DEBUG=1 shows where an error comes from.`;

const program = new Command("tollgate")
  .description("A durable, token-metered front door for slow machine-learning models.")
  .helpOption("-h, --help", "show this, or ./tollgate COMMAND --help")
  .addHelpText("after", HELP)
  .showSuggestionAfterError()
  .configureOutput({ outputError: (text, write) => write(printableText(text)) })
  .exitOverride();

// One file per command below commands/, each exporting a function that adds its command here.
for (const register of [
  registerUp,
  registerDown,
  registerPs,
  registerLogs,
  registerMigrate,
  registerTest,
  registerBench,
  registerCapacity,
  registerUser,
  registerKey,
  registerGenerate,
  registerAudit,
  registerDead,
]) {
  register(program);
}

// Whoever read our output is gone (`| head`): what is being started or stopped still has to be finished.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  await program.parseAsync();
  // A client library that keeps a socket must not keep the command.
  process.exit();
} catch (error) {
  process.exit(report(error));
}

function report(error: unknown): number {
  // Commander has written its message already; help and version are not failures.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  process.stderr.write(`tollgate: ${printable(describeError(error))}\n`);
  if (process.env["TOLLGATE_DEBUG"] && error instanceof Error)
    process.stderr.write(`${printableText(error.stack ?? "")}\n`);
  return error instanceof CommandFailure ? error.exitCode : EXIT.failed;
}
