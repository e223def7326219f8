import type { KeyRecord, KeyRoute, KeyScopes } from "../../core/key-record.ts";
import { bytesArray, textArray } from "./arrays.ts";
import type { Database, Sql } from "./connect.ts";
import { type Act, noteChanges } from "./operator-actions.ts";

/** What is stored of a key; the key itself is not stored. */
export interface NewApiKey extends KeyScopes {
  keyId: string;
  userId: string;
  /** HMAC-SHA-256 of the key, 32 bytes. */
  keyHash: Uint8Array;
  /** The first and last characters, by which a person recognises it. */
  prefix: string;
  last4: string;
  name: string;
  expiresAtMs: number | null;
}

export interface ApiKey extends Omit<NewApiKey, "keyHash"> {
  createdAtMs: number;
  /** `expiresAtMs` as the key was made: rotating brings its end forward. null: it was to work for ever. */
  meantExpiresAtMs: number | null;
  revokedAtMs: number | null;
  /** By the server's clock: neither revoked nor expired. */
  usable: boolean;
}

interface KeyRow {
  key_id: string;
  user_id: string;
  prefix: string;
  last4: string;
  name: string;
  created_at: number;
  expires_at: number | null;
  meant_expires_at: number | null;
  revoked_at: number | null;
  usable: boolean;
  models: string[] | null;
  routes: KeyRoute[] | null;
}

/** Adds a key and notes it. Returns whether there is such a user. */
export async function addKey(database: Database, key: NewApiKey, act: Act): Promise<boolean> {
  const rows = await database.run(
    "add a key",
    (sql) => sql`
      with added as (
        insert into api_keys (
          key_id, user_id, key_hash, prefix, last4, name, expires_at, models, routes
        )
        select
          ${key.keyId}::uuid, user_id, ${key.keyHash}::bytea, ${key.prefix}, ${key.last4}, ${key.name},
          ${key.expiresAtMs}::timestamptz, ${scopeArray(key.models)}::text[],
          ${scopeArray(key.routes)}::text[]
        from users
        where user_id = ${key.userId}
        returning key_id, user_id, prefix, last4, expires_at, models, routes
      ),
      noted as (${noteChanges(
        sql,
        act,
        "key.add",
        sql`
          select
            key_id as target, jsonb_build_object('user_id', user_id) as detail, null::jsonb as before,
            ${keyJson(sql)} as after
          from added`,
      )})
      select from added`,
  );
  return rows.length > 0;
}

/** What is noted of a key. Not its name, which may be a person's and would outlive them. */
const keyJson = (sql: Sql) =>
  sql`jsonb_build_object(
    'prefix', prefix, 'last4', last4, 'expires_at', expires_at, 'models', models, 'routes', routes
  )`;

const scopeArray = (scope: readonly string[] | null) => (scope === null ? null : textArray(scope));

/** All keys of a user, revoked ones too, oldest first. */
export async function listKeys(database: Database, userId: string): Promise<ApiKey[]> {
  const rows = await database.run(
    "list keys",
    (sql) => sql<KeyRow[]>`
      select
        key_id, user_id, prefix, last4, name, created_at, expires_at, revoked_at,
        to_jsonb(models) as models, to_jsonb(routes) as routes,
        case when rotated_at is null then expires_at else meant_expires_at end as meant_expires_at,
        revoked_at is null and (expires_at is null or expires_at > now()) as usable
      from api_keys
      where user_id = ${userId}
      order by created_at, key_id`,
  );
  return rows.map(keyOf);
}

const keyOf = (row: KeyRow): ApiKey => ({
  keyId: row.key_id,
  userId: row.user_id,
  prefix: row.prefix,
  last4: row.last4,
  name: row.name,
  createdAtMs: row.created_at,
  expiresAtMs: row.expires_at,
  meantExpiresAtMs: row.meant_expires_at,
  revokedAtMs: row.revoked_at,
  usable: row.usable,
  models: row.models,
  routes: row.routes,
});

/** A key by its id, revoked or not. */
export async function findKey(database: Database, keyId: string): Promise<ApiKey | undefined> {
  const [row] = await database.run(
    "find a key",
    (sql) => sql<KeyRow[]>`
      select
        key_id, user_id, prefix, last4, name, created_at, expires_at, revoked_at,
        to_jsonb(models) as models, to_jsonb(routes) as routes,
        case when rotated_at is null then expires_at else meant_expires_at end as meant_expires_at,
        revoked_at is null and (expires_at is null or expires_at > now()) as usable
      from api_keys
      where key_id = ${keyId}`,
  );
  return row && keyOf(row);
}

/** Hashes of a user's keys that are not revoked, by which the caches are told of a change of the user. */
export async function keyHashesOf(database: Database, userId: string): Promise<Uint8Array[]> {
  const rows = await database.run(
    "find a user's keys",
    (sql) => sql<{ key_hash: Buffer }[]>`
      select key_hash
      from api_keys
      where user_id = ${userId}
        and revoked_at is null`,
  );
  return rows.map((row) => row.key_hash);
}

/**
 * Revokes a key, notes it, and returns its hash, so that the caches can be told; undefined: there is no such
 * key. Revoking again is noted and changes nothing.
 */
export async function revokeKey(
  database: Database,
  keyId: string,
  act: Act,
): Promise<Uint8Array | undefined> {
  const [row] = await database.run(
    "revoke a key",
    (sql) => sql<{ key_hash: Buffer }[]>`
      with before as (
        select key_id, user_id, revoked_at from api_keys where key_id = ${keyId} for update
      ),
      revoked as (
        update api_keys k
        set revoked_at = coalesce(k.revoked_at, now())
        from before b
        where k.key_id = b.key_id
        returning k.key_id, k.key_hash, k.revoked_at
      ),
      noted as (${noteChanges(
        sql,
        act,
        "key.revoke",
        sql`
          select
            key_id as target, jsonb_build_object('user_id', b.user_id) as detail,
            jsonb_build_object('revoked_at', b.revoked_at) as before,
            jsonb_build_object('revoked_at', r.revoked_at) as after
          from revoked r
          join before b using (key_id)`,
      )})
      select key_hash from revoked`,
  );
  return row?.key_hash;
}

/**
 * Adds `successor` for the owner of the key `keyId`, which stays usable for `overlapMs` more, at most, and
 * notes it. Returns the old key's hash, so that the caches can be told; undefined: there is no usable key of
 * that id, and nothing was added.
 */
export async function rotateKey(
  database: Database,
  {
    keyId,
    overlapMs,
    successor,
  }: {
    keyId: string;
    overlapMs: number;
    /** It may be used for what the old one may. */
    successor: Omit<NewApiKey, "userId" | keyof KeyScopes>;
  },
  act: Act,
): Promise<{ userId: string; keyHash: Uint8Array } | undefined> {
  const [row] = await database.run(
    "rotate a key",
    (sql) => sql<{ user_id: string; key_hash: Buffer }[]>`
      with before as (
        select key_id, expires_at
        from api_keys
        where key_id = ${keyId}
          and revoked_at is null
          and (expires_at is null or expires_at > now())
        for update
      ),
      rotated as (
        update api_keys k
        set
          expires_at =
            least(k.expires_at, now() + make_interval(secs => ${overlapMs / 1_000}::float8)),
          meant_expires_at =
            case when k.rotated_at is null then k.expires_at else k.meant_expires_at end,
          rotated_at = now()
        from before b
        where k.key_id = b.key_id
        returning k.key_id, k.user_id, k.key_hash, k.expires_at, k.models, k.routes
      ),
      added as (
        insert into api_keys (
          key_id, user_id, key_hash, prefix, last4, name, expires_at, models, routes
        )
        select
          ${successor.keyId}::uuid, user_id, ${successor.keyHash}::bytea, ${successor.prefix},
          ${successor.last4}, ${successor.name}, ${successor.expiresAtMs}::timestamptz, models, routes
        from rotated
        returning key_id, user_id, prefix, last4, expires_at, models, routes
      ),
      noted as (${noteChanges(
        sql,
        act,
        "key.rotate",
        sql`
          select
            r.key_id as target,
            jsonb_build_object('user_id', r.user_id, 'successor_id', a.key_id, 'successor', a.key) as detail,
            jsonb_build_object('expires_at', b.expires_at) as before,
            jsonb_build_object('expires_at', r.expires_at) as after
          from rotated r
          join before b using (key_id)
          cross join (select key_id, ${keyJson(sql)} as key from added) a`,
      )})
      select user_id, key_hash from rotated`,
  );
  return row && { userId: row.user_id, keyHash: row.key_hash };
}

/**
 * Finds keys by their hashes in one query; returns them in order, undefined where there is none or it is
 * revoked.
 */
export async function findKeys(
  database: Database,
  keyHashes: readonly Uint8Array[],
): Promise<(KeyRecord | undefined)[]> {
  const rows = await database.run(
    "find keys",
    (sql) => sql<
      {
        key_hash: Buffer;
        key_id: string;
        user_id: string;
        active: boolean;
        tier: string | null;
        expires_at: number | null;
        models: string[] | null;
        routes: KeyRoute[] | null;
      }[]
    >`
      select k.key_hash, k.key_id, k.user_id, u.active, q.tier, k.expires_at,
        to_jsonb(k.models) as models, to_jsonb(k.routes) as routes
      from api_keys k
      join users u using (user_id)
      left join quotas q on q.user_id = k.user_id and q.reset_frequency = 'daily'
      where k.key_hash = any(${bytesArray(keyHashes)}::bytea[])
        and k.revoked_at is null`,
    "once",
  );
  const byHash = new Map(rows.map((row) => [row.key_hash.toString("hex"), row]));
  return keyHashes.map((keyHash) => {
    const row = byHash.get(Buffer.from(keyHash).toString("hex"));
    return (
      row && {
        keyId: row.key_id,
        userId: row.user_id,
        userActive: row.active,
        tier: row.tier,
        expiresAtMs: row.expires_at,
        models: row.models,
        routes: row.routes,
      }
    );
  });
}
