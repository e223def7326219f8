import { existsSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT } from "../adapters/state/paths.ts";
import { CommandFailure } from "../adapters/terminal/failure.ts";

/**
 * For commands about a stack on this machine. What they use is in local/, which the image leaves out, so they load it only when they
 * run: without it all others still work.
 *
 * @throws {CommandFailure} where there is no local/
 */
export function requireCheckout(command: string): void {
  if (existsSync(join(PROJECT_ROOT, "local"))) return;
  throw new CommandFailure(
    `${command} needs a checkout of the project, and there is none at ${PROJECT_ROOT}: run it from one`,
  );
}
