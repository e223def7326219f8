import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { installPackages } from "../../local/servers/install.ts";

/**
 * Looks for something that tests of one kind need, and installs its Debian package if it is not there. If
 * that fails, it says what is left out and returns undefined.
 */
export async function bringPackage<Found>(
  name: string,
  find: () => Found | undefined,
  leftOut: string,
): Promise<Found | undefined> {
  const there = find();
  if (there !== undefined) return there;
  const orElse = `or do without ${leftOut}`;
  try {
    await installPackages(
      { missing: [name], packages: [name], withoutApt: `install ${name}`, orElse },
      createProgress(process.stdout),
    );
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    sayLeftOut(leftOut, error.message);
  }
  return find();
}

export function sayLeftOut(what: string, why: string): void {
  process.stdout.write(`  Left out, ${what}: ${why}\n`);
}
