import { cpSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

/** What the commands and what they start are made of. */
const PARTS = ["adapters", "cli", "collector", "core", "gateway", "local", "lua", "ml-sim"];
PARTS.push("runtime", "sql", "workers", "package.json", "tollgate.yaml", "tsconfig.json");

/** A copy of this checkout in a folder of its own, in which nothing was ever started; returns its path. */
export function copyCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-checkout-"));
  for (const part of PARTS)
    cpSync(join(PROJECT_ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(PROJECT_ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}
