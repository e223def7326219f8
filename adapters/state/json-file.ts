import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** The content of a file that is there and fits; undefined for a missing, cut-off or foreign one. */
export function readJsonFile<Schema extends TSchema>(
  path: string,
  schema: Schema,
): Static<Schema> | undefined {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
  return Value.Check(schema, content) ? content : undefined;
}

/** Replaces the file at once: nobody reads half of it. Only the owner may read it, for it holds passwords. */
export function writeJsonFile(path: string, content: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}.new`;
  writeFileSync(unfinished, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
}
