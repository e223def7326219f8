import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

import { readJsonFile } from "../../adapters/state/json-file.ts";
import {
  identifyProcess,
  isRunning,
  type ProcessIdentity,
  ProcessIdentitySchema,
} from "./process-identity.ts";

/**
 * Takes a lock that dies with its process: what a killed one left behind counts for nothing. Returns who has
 * it when that process still runs.
 */
export function takeLock(path: string): { release: () => void } | { holder: ProcessIdentity } {
  mkdirSync(dirname(path), { recursive: true });
  const holder = readJsonFile(path, ProcessIdentitySchema);
  if (holder !== undefined && isRunning(holder)) return { holder };
  rmSync(path, { force: true });
  // "wx" fails if another one came first.
  const file = openSync(path, "wx", 0o600);
  writeSync(file, JSON.stringify(identifyProcess(process.pid)));
  closeSync(file);
  return { release: () => rmSync(path, { force: true }) };
}
