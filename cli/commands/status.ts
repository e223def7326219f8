import type { Command } from "commander";

import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { printJson, printLine } from "../../adapters/terminal/table.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { isFine, look, type Look } from "../status/look.ts";
import { statusJson } from "../status/status-json.ts";
import { formatStatus } from "../status/status-text.ts";

interface StatusOptions {
  json?: boolean;
  watch?: boolean;
}

const WATCH_PERIOD_MS = 2_000;
const CLEAR_SCREEN = "\u001B[2J\u001B[H";

export function registerStatus(program: Command): void {
  program
    .command("status")
    .description("show what is wrong now: models, queues, workers, who fills them")
    .option("-w, --watch", "show it again every two seconds, until Ctrl-C")
    .option("--json", "print it all as an object")
    .addHelpText(
      "after",
      `
A line with ! is something that somebody has to act on, one with - is worth knowing. OPEN counts requests
without an end, PARKED those of them that wait for their fair turn, READY those in the queue of the model.
LAST STARTS IN is when the last of those that wait now would start, by the measured rate. A ? is not known.
A server that does not answer takes only its own part away.

Exit codes: 0 all is well, ${EXIT.failed} something is wrong, ${EXIT.notRunning} nothing is up.

Examples:
  ./tollgate status
  ./tollgate status --json | jq -r '.conditions[] | select(.kind == "wrong").text'`,
    )
    .action(status);
}

async function status({ json, watch }: StatusOptions): Promise<void> {
  if (json === true && watch === true)
    throw new CommandFailure("--watch is for people: leave out --json", { exitCode: EXIT.usage });
  await operate({ servers: ["postgres", "redis", "amqp"], secrets: [] }, async (operation) => {
    if (watch === true) return watchIt(operation);
    const seen = await look(operation);
    if (json === true) printJson(statusJson(seen.readings, seen.models, seen.conditions));
    else printLine(textOf(seen));
    if (!isFine(seen)) process.exitCode = EXIT.failed;
  });
}

const textOf = ({ readings, models, conditions }: Look): string =>
  formatStatus(readings, models, conditions);

/** Ends when nobody reads any more, or by Ctrl-C. */
async function watchIt(operation: Operation): Promise<void> {
  while (process.stdout.writable) {
    const seen = await look(operation);
    if (process.stdout.isTTY) process.stdout.write(CLEAR_SCREEN);
    printLine(`${textOf(seen)}\n`);
    await Bun.sleep(WATCH_PERIOD_MS);
  }
}
