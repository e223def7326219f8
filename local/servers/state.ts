import { join } from "node:path";

import { Type as t } from "@sinclair/typebox";

import { readJsonFile, writeJsonFile } from "../../adapters/state/json-file.ts";
import type { StatePaths } from "../../adapters/state/paths.ts";
import { SERVER_SOURCES, type ServerSource } from "./choose-source.ts";

const SourceSchema = t.Object({
  source: t.Union(SERVER_SOURCES.map((source) => t.Literal(source))),
});

const sourcePath = (paths: StatePaths): string => join(paths.servers, "source.json");

/** Where the servers of the last `up` came from. */
export function readSource(paths: StatePaths): ServerSource | undefined {
  return readJsonFile(sourcePath(paths), SourceSchema)?.source;
}

export function writeSource(paths: StatePaths, source: ServerSource): void {
  writeJsonFile(sourcePath(paths), { source });
}
