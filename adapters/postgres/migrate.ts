import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type postgres from "postgres";

import type { PostgresServer } from "./open-client.ts";
import { openClient } from "./primary.ts";
import { requireSession } from "./require-session.ts";

/** Where the migrations of this tree are. */
export const MIGRATIONS_DIRECTORY = join(import.meta.dir, "../../sql");

/** Says what is wrong with the migrations and what to do about it, in one line. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

export interface Migration {
  /** The number before the first underscore of the file's name; versions start at 1 and leave no gap. */
  version: number;
  /** File name. */
  name: string;
  sql: string;
  /** SHA-256 of the file, hexadecimal. */
  checksum: string;
}

export interface MigrateOptions extends PostgresServer {
  directory?: string;
  /** How long to wait for another process that migrates, milliseconds. */
  lockTimeoutMs?: number;
}

const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;
/** Advisory locks are numbers, one name space per database: this one is hashed from a name. */
const LOCK_NAME = "tollgate migrate";
const LOCK_TIMEOUT_MS = 60_000;

/** Reads `NNNN_name.sql` in order. @throws {MigrationError} for a gap or a number that is used twice */
export async function readMigrations(directory = MIGRATIONS_DIRECTORY): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => FILE_NAME.test(name)).sort();
  return Promise.all(
    names.map(async (name, index) => {
      const version = Number(name.slice(0, 4));
      if (version !== index + 1)
        throw new MigrationError(
          `${name} should have the number ${index + 1}: numbers must be consecutive`,
        );
      const sql = await Bun.file(join(directory, name)).text();
      return {
        version,
        name,
        sql,
        checksum: new Bun.CryptoHasher("sha256").update(sql).digest("hex"),
      };
    }),
  );
}

/**
 * Brings the schema up to date and returns the names of the files it applied. Each file is one transaction.
 * Processes that start at once wait for each other under an advisory lock; the later ones find nothing to do.
 * Migrations of a newer release that are already applied are left alone, so that an old process still starts
 * during a rollout.
 *
 * @throws {MigrationError} when a file that was applied has changed since, or a file fails
 * @throws what postgres.js throws when the server does not answer
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const migrations = await readMigrations(options.directory);
  const lockTimeoutMs = options.lockTimeoutMs ?? LOCK_TIMEOUT_MS;
  const { sql } = await openClient(options, {
    name: "tollgate-migrate",
    max: 1,
    settings: { lock_timeout: lockTimeoutMs },
  });
  try {
    await requireSession(sql, "lock_timeout");
    // A session lock: it goes with the connection, whatever happens to this process.
    await sql`select pg_advisory_lock(hashtextextended(${LOCK_NAME}, 0))`;
    return await applyPending(sql, migrations);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function applyPending(sql: postgres.Sql, migrations: Migration[]): Promise<string[]> {
  await sql`
    create table if not exists schema_migrations (
      version integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`;
  const rows = await sql<{ version: number; checksum: string }[]>`
    select version, checksum from schema_migrations`;
  const applied = new Map(rows.map((row) => [row.version, row.checksum]));
  const names: string[] = [];
  for (const migration of migrations) {
    const checksum = applied.get(migration.version);
    if (checksum === undefined) {
      await apply(sql, migration);
      names.push(migration.name);
    } else if (checksum !== migration.checksum) {
      throw new MigrationError(
        `${migration.name} has changed since it was applied: ` +
          "restore the file and put the change into a new migration",
      );
    }
  }
  return names;
}

async function apply(sql: postgres.Sql, migration: Migration): Promise<void> {
  try {
    // Statements of one simple query are one transaction. Only what passes the patterns above gets into the
    // text.
    await sql
      .unsafe(
        `${migration.sql}
        ;
        insert into schema_migrations (version, name, checksum)
        values (${migration.version}, '${migration.name}', '${migration.checksum}')`,
      )
      .simple();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MigrationError(`${migration.name} failed and was rolled back: ${reason}`, {
      cause: error,
    });
  }
}
