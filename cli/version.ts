import { existsSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT } from "../adapters/state/paths.ts";
import packageJson from "../package.json" with { type: "json" };

/** `0.1.0`, and in a checkout which commit of it: `0.1.0 (c13b9861f0aa)`. */
export function versionText(root: string = PROJECT_ROOT): string {
  const commit = commitOf(root);
  return packageJson.version + (commit === undefined ? "" : ` (${commit})`);
}

/** Only of a checkout's own folder: a copy without history may lie in a checkout of something else. */
function commitOf(root: string): string | undefined {
  const gitFolder = join(root, ".git");
  if (!existsSync(gitFolder)) return undefined;
  try {
    const git = Bun.spawnSync(["git", `--git-dir=${gitFolder}`, "rev-parse", "--short=12", "HEAD"]);
    return git.success ? git.stdout.toString().trim() : undefined;
  } catch {
    return undefined; // There is no git on this machine.
  }
}
