import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { readMigrations } from "../../adapters/postgres/migrate.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { MESSAGE_VERSION } from "../../core/request/messages.ts";

/** A folder with the code of another release. */
export interface Build {
  folder: string;
  remove: () => void;
}

/** What the processes are made of. */
const PARTS = [
  "adapters",
  "collector",
  "core",
  "gateway",
  "lua",
  "runtime",
  "sql",
  "workers",
  "package.json",
];

/**
 * A migration that is kind to the release before: it only adds, to a table that every request is written to.
 */
const NEXT_MIGRATION = `alter table requests add column next_release text;
create index requests_next_release on requests (next_release) where next_release is not null;
`;

/**
 * This code as its next release could be. It writes messages of a version that this release has never heard
 * of, reads both versions, and brings a migration.
 */
export async function makeNextBuild(): Promise<Build> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-next-"));
  for (const part of PARTS)
    cpSync(join(PROJECT_ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(PROJECT_ROOT, "node_modules"), join(folder, "node_modules"));
  replaceOnce(
    join(folder, "core/request/messages.ts"),
    `export const MESSAGE_VERSION = ${MESSAGE_VERSION};`,
    `export const MESSAGE_VERSION = ${MESSAGE_VERSION + 1};`,
  );
  const number = String((await readMigrations()).length + 1).padStart(4, "0");
  writeFileSync(join(folder, `sql/${number}_next.sql`), NEXT_MIGRATION);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The release before each model had a queue of its own and requests were parked. */
const BEFORE_QUEUES = "994e1c8ce40c6d08451a98b765f45a4d66313c94";

/**
 * The release that knows neither queues of models nor parked requests, from the history of this project; null
 * where that is not there, as in a shallow clone.
 */
export async function makeBuildBeforeQueues(): Promise<Build | null> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-before-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const archive = Bun.spawn(["git", "-C", PROJECT_ROOT, "archive", BEFORE_QUEUES], {
    stdout: "pipe",
    stderr: "ignore",
  });
  const extract = Bun.spawn(["tar", "-x", "-C", folder], { stdin: archive.stdout });
  if ((await archive.exited) !== 0 || (await extract.exited) !== 0) {
    remove();
    return null;
  }
  symlinkSync(join(PROJECT_ROOT, "node_modules"), join(folder, "node_modules"));
  return { folder, remove };
}

/** Settings without the keys that a build does not know, as its operators had them. */
export async function settingsForBuild({ folder }: Build, settings: unknown): Promise<unknown> {
  const { ConfigSchema } = (await import(join(folder, "core/config/schema.ts"))) as {
    ConfigSchema: TSchema;
  };
  const known = Value.Clean(ConfigSchema, structuredClone(settings)) as {
    models: Record<string, unknown>;
  };
  // A model of a protocol that this release does not speak.
  for (const { path } of Value.Errors(
    ConfigSchema,
    Value.Default(ConfigSchema, structuredClone(known)),
  )) {
    const [, section, model = ""] = path.split("/");
    if (section === "models") delete known.models[model];
  }
  return known;
}

function replaceOnce(path: string, old: string, text: string): void {
  const [before, after, ...more] = readFileSync(path, "utf8").split(old);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`${path} does not say once: ${old}`);
  writeFileSync(path, `${before}${text}${after}`);
}
