import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** The file's content if it is there and fits; a missing, cut-off or foreign file is undefined, as if never written. */
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

/** Replaces the file at once, so that no reader sees half of it. Only the owner may read it: these files hold passwords. */
export function writeJsonFile(path: string, content: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}.new`;
  writeFileSync(unfinished, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
}
