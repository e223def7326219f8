import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

import { writeJsonFile } from "../../../adapters/state/json-file.ts";
import { statePaths } from "../../../adapters/state/paths.ts";
import { identifyProcess } from "../../../local/processes/process-identity.ts";
import {
  findBinaries,
  type ServerBinaries,
  type ServerName,
} from "../../../local/servers/binaries.ts";

/**
 * A folder for servers of one test; what a killed run leaves behind, the next one removes as it does other
 * servers.
 */
export interface ServerHome {
  folder: string;
  remove: () => void;
}

export function makeServerHome(): ServerHome {
  const home = join(statePaths().dir, "test");
  mkdirSync(home, { recursive: true });
  const folder = mkdtempSync(join(home, "fault-"));
  writeJsonFile(join(folder, "owner.json"), identifyProcess(process.pid));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The programs of a server. Throws where it is not on this machine. */
export function requireBinaries<Name extends ServerName>(name: Name): ServerBinaries[Name] {
  const found: Partial<ServerBinaries> = findBinaries(process.env["PATH"] ?? "");
  const programs = found[name];
  if (programs === undefined) throw new Error(`${name} is not on this machine`);
  return programs;
}
