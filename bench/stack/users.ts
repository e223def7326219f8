import { randomUUIDv7 } from "bun";

import { createKeyHash, generateApiKey } from "../../adapters/crypto/key-hash.ts";
import { bytesArray, textArray } from "../../adapters/postgres/arrays.ts";
import type { Database } from "../../adapters/postgres/connect.ts";
import { displayOfApiKey } from "../../core/api-key.ts";
import type { WindowLimit } from "../../core/quota/quota.ts";
import { WINDOW_KINDS } from "../../core/quota/windows.ts";

export interface BenchUser {
  userId: string;
  apiKey: string;
}

const NO_LIMIT = -1;
/** Rows of one statement: some megabytes of parameters. */
const USERS_PER_STATEMENT = 5_000;

/**
 * Users of the tier `unlimited` with a key each, written in bulk. `daily` limits each of them; absent:
 * nothing is limited.
 */
export async function seedUsers(
  database: Database,
  pepper: string,
  count: number,
  daily: Partial<WindowLimit> = {},
): Promise<BenchUser[]> {
  const hash = createKeyHash(pepper);
  const users: BenchUser[] = [];
  while (users.length < count) {
    const size = Math.min(USERS_PER_STATEMENT, count - users.length);
    const part = Array.from({ length: size }, () => ({
      userId: crypto.randomUUID(),
      apiKey: generateApiKey(),
    }));
    await insertUsers(database, part, hash, daily);
    users.push(...part);
  }
  return users;
}

/** Writes a key for each of these users, who exist. */
export async function seedKeys(
  database: Database,
  pepper: string,
  users: readonly BenchUser[],
): Promise<void> {
  const hash = createKeyHash(pepper);
  for (let from = 0; from < users.length; from += USERS_PER_STATEMENT)
    await insertKeys(database, users.slice(from, from + USERS_PER_STATEMENT), hash);
}

async function insertUsers(
  database: Database,
  users: readonly BenchUser[],
  hash: (key: string) => Uint8Array,
  daily: Partial<WindowLimit>,
): Promise<void> {
  const userIds = textArray(users.map(({ userId }) => userId));
  await database.run(
    "seed users",
    (sql) => sql`
      insert into users (user_id, name, email, concurrent_limit)
      select id, 'Ada', id || '@example.org', ${NO_LIMIT}::int
      from unnest(${userIds}::uuid[]) as id`,
  );
  for (const window of WINDOW_KINDS) {
    const limits = window === "daily" ? daily : {};
    await database.run(
      "seed quotas",
      (sql) => sql`
        insert into quotas (user_id, tier, reset_frequency, request_limit, token_limit)
        select id, 'unlimited', ${window},
          ${limits.requests ?? NO_LIMIT}::bigint, ${limits.tokens ?? NO_LIMIT}::bigint
        from unnest(${userIds}::uuid[]) as id`,
    );
  }
  await insertKeys(database, users, hash);
}

async function insertKeys(
  database: Database,
  users: readonly BenchUser[],
  hash: (key: string) => Uint8Array,
): Promise<void> {
  const keyIds = textArray(users.map(() => randomUUIDv7()));
  const hashes = bytesArray(users.map(({ apiKey }) => hash(apiKey)));
  const displays = users.map(({ apiKey }) => displayOfApiKey(apiKey));
  await database.run(
    "seed keys",
    (sql) => sql`
      insert into api_keys (key_id, user_id, key_hash, prefix, last4, name)
      select *, 'bench'
      from unnest(
        ${keyIds}::uuid[],
        ${textArray(users.map(({ userId }) => userId))}::uuid[],
        ${hashes}::bytea[],
        ${textArray(displays.map(({ prefix }) => prefix))}::text[],
        ${textArray(displays.map(({ last4 }) => last4))}::text[])`,
  );
}
