import { registerAudit } from "./commands/audit.ts";
import { registerBackup } from "./commands/backup.ts";
import { registerCapacity } from "./commands/capacity.ts";
import { registerDead } from "./commands/dead.ts";
import { registerDown } from "./commands/down.ts";
import { registerGenerate } from "./commands/generate.ts";
import { registerKey } from "./commands/key.ts";
import { registerLog } from "./commands/log.ts";
import { registerLogs } from "./commands/logs.ts";
import { registerMigrate } from "./commands/migrate.ts";
import { registerModel } from "./commands/model.ts";
import { registerPs } from "./commands/ps.ts";
import { registerRequest } from "./commands/request.ts";
import { registerRestore } from "./commands/restore.ts";
import { registerStatus } from "./commands/status.ts";
import { registerUp } from "./commands/up.ts";
import { registerUser } from "./commands/user.ts";
import { EXIT } from "../adapters/terminal/failure.ts";
import { createProgram, runProgram } from "../adapters/terminal/program.ts";
import { registerCheckoutPrograms } from "./checkout.ts";
import { versionText } from "./version.ts";

const HELP = `
Start here:  ./tollgate up

Exit codes: 0 done, ${EXIT.failed} failed, ${EXIT.usage} wrong use or configuration,
${EXIT.notRunning} nothing is up, ${EXIT.alreadyRunning} already up, ${EXIT.refused} refused by the quota,
${EXIT.unreachable} a server cannot be reached, ${EXIT.stillOpen} the request goes on,
${EXIT.interrupted} interrupted.
TOLLGATE_DEBUG=1 shows where an error comes from.`;

const program = createProgram("tollgate")
  .description("A durable, token-metered front door for slow machine-learning models.")
  .option("-V, --version", "show the version, and the commit of a checkout")
  .on("option:version", () => {
    process.stdout.write(`tollgate ${versionText()}\n`);
    process.exit();
  })
  .helpOption("-h, --help", "show this, or ./tollgate COMMAND --help")
  // `backup` and `restore` have options of their own beside subcommands that have the same.
  .enablePositionalOptions()
  .addHelpText("after", HELP);

// One file per command below commands/, each exporting a function that adds its command here.
for (const register of [
  registerUp,
  registerDown,
  registerPs,
  registerLogs,
  registerStatus,
  registerMigrate,
  registerBackup,
  registerRestore,
  registerCheckoutPrograms,
  registerCapacity,
  registerUser,
  registerKey,
  registerGenerate,
  registerRequest,
  registerModel,
  registerAudit,
  registerLog,
  registerDead,
]) {
  register(program);
}

await runProgram(program, process.env);
