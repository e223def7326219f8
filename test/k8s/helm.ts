import { existsSync } from "node:fs";
import { join } from "node:path";

/** Helm of the machine, or of the cache; undefined: there is none. */
export function findHelm(): string | undefined {
  const cached = join(process.env["TOLLGATE_CACHE"] ?? "/nowhere", "bin/helm");
  return Bun.which("helm") ?? (existsSync(cached) ? cached : undefined);
}
