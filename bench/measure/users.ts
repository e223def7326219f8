import { createHash } from "node:crypto";

import { randomUUIDv7 } from "bun";

import { createKeyHash, generateApiKey } from "../../adapters/crypto/key-hash.ts";
import { bytesArray, textArray } from "../../adapters/postgres/arrays.ts";
import type { Database } from "../../adapters/postgres/connect.ts";
import { displayOfApiKey } from "../../core/api-key.ts";

export interface BenchUser {
  userId: string;
  apiKey: string;
}

const NO_LIMIT = -1;
/** Rows of one statement: some megabytes of parameters. */
const KEYS_PER_STATEMENT = 5_000;

/** The id of the nth user, the same here as in `insertUsers`. Spread over the index, as random ids are. */
export function nthUserId(n: number): string {
  const hex = createHash("md5").update(`bench-user-${n}`).digest("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The nth user with a key that is yet to be stored. */
export function nthUser(n: number): BenchUser {
  return { userId: nthUserId(n), apiKey: generateApiKey() };
}

/**
 * Writes the users from `first` to before `end`, of the tier `unlimited`, by a statement inside PostgreSQL.
 */
export async function insertUsers(database: Database, first: number, end: number): Promise<void> {
  await database.run(
    "insert users",
    (sql) => sql`
      with part as (
        select n, md5('bench-user-' || n)::uuid as user_id
        from generate_series(${first}::int, ${end - 1}::int) as n
      ),
      new_users as (
        insert into users (user_id, name, email, concurrent_limit)
        select user_id, 'Ada', 'user-' || n || '@example.org', ${NO_LIMIT}::int
        from part
      )
      insert into quotas (user_id, tier, reset_frequency, request_limit, token_limit)
      select user_id, 'unlimited', kind, ${NO_LIMIT}::bigint, ${NO_LIMIT}::bigint
      from part, unnest(array['daily', 'monthly']) as kind`,
  );
}

/** Stores the keys of users who exist. */
export async function insertKeys(
  database: Database,
  pepper: string,
  users: readonly BenchUser[],
): Promise<void> {
  const hash = createKeyHash(pepper);
  for (let from = 0; from < users.length; from += KEYS_PER_STATEMENT) {
    const part = users.slice(from, from + KEYS_PER_STATEMENT);
    const displays = part.map(({ apiKey }) => displayOfApiKey(apiKey));
    await database.run(
      "insert keys",
      (sql) => sql`
        insert into api_keys (key_id, user_id, key_hash, prefix, last4, name)
        select *, 'bench'
        from unnest(
          ${textArray(part.map(() => randomUUIDv7()))}::uuid[],
          ${textArray(part.map(({ userId }) => userId))}::uuid[],
          ${bytesArray(part.map(({ apiKey }) => hash(apiKey)))}::bytea[],
          ${textArray(displays.map(({ prefix }) => prefix))}::text[],
          ${textArray(displays.map(({ last4 }) => last4))}::text[])`,
    );
  }
}
