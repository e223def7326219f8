import { Fault } from "../../core/faults.ts";
import type { Database } from "./connect.ts";
import { readMigrations } from "./migrate.ts";

/**
 * Resolves when the database has every migration of this tree; it may have more.
 *
 * @throws {Fault} STORE_UNAVAILABLE as `run`, and when migrations are missing
 */
export async function requireSchema(database: Pick<Database, "run">): Promise<void> {
  const migrations = await readMigrations();
  const [row] = await database.run(
    "read the version of the schema",
    (sql) => sql<{ version: number }[]>`
      select coalesce(max(version), 0)::integer as version from schema_migrations`,
  );
  const first = migrations[row?.version ?? 0];
  if (first !== undefined)
    throw new Fault("STORE_UNAVAILABLE", `the schema lacks ${first.name}: run tollgate migrate`);
}
