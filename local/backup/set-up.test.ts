import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type StatePaths, statePaths } from "../../adapters/state/paths.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import { writeSource } from "../servers/state.ts";
import { findArchiving } from "./archiving.ts";
import { postgresFolder, rememberSettings, requireLocalPostgres } from "./set-up.ts";
import { mergeSettings } from "./settings.ts";

let paths: StatePaths;
beforeEach(() => {
  paths = statePaths(mkdtempSync(join(tmpdir(), "tollgate-set-up-")));
});
afterEach(() => rmSync(paths.dir, { recursive: true, force: true }));

const settingsOf = (name: string) =>
  mergeSettings({ repository: join(paths.dir, name) }, undefined, "/nowhere");

test.each(["docker", "url"] as const)(
  "a PostgreSQL of %s is left to whoever runs it, and the refusal says so",
  (source) => {
    writeSource(paths, source);

    const failure = expect(() => requireLocalPostgres(paths));

    failure.toThrow("is not backed up by this command");
    failure.toThrow(expect.objectContaining({ exitCode: EXIT.usage }) as Error);
  },
);

test("a repository that cannot be used leaves PostgreSQL without an archiver, as it was", () => {
  const { undo } = rememberSettings(paths, settingsOf("one"));
  expect(findArchiving(postgresFolder(paths))?.env["PGBACKREST_STANZA"]).toBe("tollgate");

  undo();

  expect(findArchiving(postgresFolder(paths))).toBeUndefined();
});

test("another repository that cannot be used leaves the archiver with the one of before", () => {
  rememberSettings(paths, settingsOf("one"));

  rememberSettings(paths, settingsOf("two")).undo();

  const { PGBACKREST_CONFIG: config = "" } = findArchiving(postgresFolder(paths))?.env ?? {};
  expect(readFileSync(config, "utf8")).toContain(`repo1-path=${join(paths.dir, "one")}\n`);
});
