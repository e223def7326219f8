import { connectPostgres } from "./connect.ts";
import type { PostgresServer } from "./open-client.ts";

export interface Reader {
  role: string;
  /** With it the role is made if it is not there, and this is its password from now on. */
  password?: string | undefined;
}

const DEADLINE_MS = 15_000;
/** A dashboard of many panels asks for some at a time. */
const CONNECTIONS_MAX = 20;

/**
 * What the dashboards read. No prompt, result, key, email, metadata or word of an ML service is among it, and
 * a column that a migration adds is not either.
 */
const READABLE = {
  users: ["user_id", "name", "created_at", "active", "concurrent_limit"],
  quotas: "all",
  token_logs: "all",
  token_days: "all",
  requests: [
    "request_id",
    "user_id",
    "model",
    "status",
    "error_code",
    "created_at",
    "completed_at",
    "estimated_tokens",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "attempts",
  ],
} as const satisfies Record<string, "all" | readonly string[]>;

/**
 * Lets a role read what the dashboards show. It keeps what it may already. `server` is reached as the owner
 * of the tables; to make the role that needs CREATEROLE.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function grantReader(
  server: PostgresServer,
  { role, password }: Reader,
): Promise<void> {
  const database = connectPostgres({
    ...server,
    poolMax: 1,
    statementTimeoutMs: DEADLINE_MS - 1_000,
    deadlineMs: DEADLINE_MS,
    name: "tollgate-reader",
  });
  try {
    if (password !== undefined && password !== "")
      await database.run("make the role of a reader", async (sql) => {
        const [known] = await sql`select from pg_roles where rolname = ${role}`;
        const act = known === undefined ? "create" : "alter";
        const form = `${act} role %I login password %L connection limit ${CONNECTIONS_MAX}`;
        // A statement about roles takes no parameters.
        const [{ text }] = await sql<[{ text: string }]>`
          select format(${form}::text, ${role}::text, ${password}::text) as text`;
        return await sql.unsafe(text);
      });
    for (const [table, columns] of Object.entries(READABLE))
      await database.run("grant a reader its tables", (sql) => {
        const listed = columns === "all" ? sql`` : sql`(${sql(columns)})`;
        return sql`grant select ${listed} on ${sql(table)} to ${sql(role)}`;
      });
  } finally {
    await database.close();
  }
}
