import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Command } from "commander";

import { PROJECT_ROOT } from "../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";

/**
 * For commands about a stack on this machine. What they use is in local/, which the image leaves out, so they
 * load it only when they run: without it all others still work.
 *
 * @throws {CommandFailure} where there is no local/
 */
export function requireCheckout(command: string): void {
  if (existsSync(join(PROJECT_ROOT, "local"))) return;
  throw new CommandFailure(
    `${command} needs a checkout of the project, and there is none at ${PROJECT_ROOT}: run it from one`,
    { exitCode: EXIT.usage },
  );
}

/**
 * Programs of their own, so that the commands, which are in the image, know no tests, no bench, no drills.
 */
const PROGRAMS = {
  test: "run the checks and tests; starts the servers that they need and removes them",
  bench: "measure on a private stack, compare the books afterwards, write a report",
  drill: "rehearse on a real Kubernetes what the tests cannot show",
} as const;

/** Lists what ./tollgate runs by itself: test/main.ts, bench/main.ts, drill/main.ts. */
export function registerCheckoutPrograms(program: Command): void {
  for (const [name, about] of Object.entries(PROGRAMS)) {
    program
      .command(name)
      .description(about)
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new CommandFailure(
          `${name} needs a checkout of the project: run it there as ./tollgate ${name}`,
          { exitCode: EXIT.usage },
        );
      });
  }
}
