import { afterEach, beforeEach, expect, test } from "bun:test";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { OwnDatabase } from "../../local/stack/own-database.ts";
import { createTestDatabase } from "../../test/support/servers.ts";
import { connectPostgres } from "./connect.ts";
import { migrate, MigrationError, MIGRATIONS_DIRECTORY, readMigrations } from "./migrate.ts";
import { dumpSchema } from "../../test/support/schema-dump.ts";

const SCHEMA_FILE = join(MIGRATIONS_DIRECTORY, "schema.sql");
const COUNT = (await readMigrations()).length;

/** The file name of the migration that comes so many after the last. */
const nameOf = (name: string, ahead = 1): string =>
  `${String(COUNT + ahead).padStart(4, "0")}_${name}.sql`;

let server: OwnDatabase;
let directory: string;

beforeEach(async () => {
  server = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), "migrations-"));
  await cp(MIGRATIONS_DIRECTORY, directory, { recursive: true });
});
afterEach(async () => {
  await server.drop();
  await rm(directory, { recursive: true });
});

test("processes that start at once apply each migration once", async () => {
  const names = (await readMigrations()).map((migration) => migration.name);

  const applied = await Promise.all(
    Array.from({ length: 4 }, () => migrate({ url: server.url, directory })),
  );

  expect(applied.flat().sort()).toEqual(names);
  expect(await migrate({ url: server.url, directory })).toEqual([]);
});

test("the committed schema is the migrated one (UPDATE_SCHEMA=1 bun test writes it)", async () => {
  await migrate({ url: server.url });
  const database = connectPostgres({
    url: server.url,
    poolMax: 1,
    statementTimeoutMs: 5_000,
    deadlineMs: 6_000,
    name: "test",
  });

  const schema = await dumpSchema(database);
  await database.close();

  if (process.env["UPDATE_SCHEMA"] === "1") await Bun.write(SCHEMA_FILE, schema);
  expect(schema).toBe(await Bun.file(SCHEMA_FILE).text());
});

test("a migration that fails leaves nothing behind and is named", async () => {
  await migrate({ url: server.url, directory });
  const next = join(directory, nameOf("bad"));
  await Bun.write(next, "create table half_done (id integer); select 1 / 0;");

  const failed = migrate({ url: server.url, directory });

  expect(failed).rejects.toThrow(`${nameOf("bad")} failed and was rolled back: division by zero`);
  await failed.catch(() => {});
  await Bun.write(next, "create table half_done (id integer);");
  expect(await migrate({ url: server.url, directory })).toEqual([nameOf("bad")]);
});

test("a process of an older release starts on a newer schema", async () => {
  await Bun.write(join(directory, nameOf("next")), "create table next (id integer);");
  await migrate({ url: server.url, directory });

  expect(await migrate({ url: server.url })).toEqual([]);
});

test("a file that changed after it was applied is refused", async () => {
  await migrate({ url: server.url, directory });
  const changed = join(directory, "0003_token_logs.sql");
  await Bun.write(changed, `${await Bun.file(changed).text()}-- A harmless remark.`);

  const failed = migrate({ url: server.url, directory });

  expect(failed).rejects.toThrow(MigrationError);
  expect(failed).rejects.toThrow("0003_token_logs.sql has changed since it was applied");
  await failed.catch(() => {});
});

test("numbers must be consecutive", async () => {
  await Bun.write(join(directory, nameOf("gap", 2)), "select 1;");

  const failed = readMigrations(directory);

  expect(failed).rejects.toThrow(`${nameOf("gap", 2)} should have the number ${COUNT + 1}`);
  await failed.catch(() => {});
});
