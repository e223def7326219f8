import { timingSafeEqual } from "node:crypto";

import type { Static, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { RedisConnection } from "./connection.ts";
import { apiKeyKey } from "./keys.ts";

/**
 * Records of API keys by keyed hash, shared by all gateways.
 *
 * @throws {Fault} QUOTA_UNAVAILABLE, by all functions
 */
export interface KeyCache<KeyRecord> {
  get: (keyHash: string) => Promise<KeyRecord | undefined>;
  /** Keeps what is there: a record read from PostgreSQL before a change must not come back after it. */
  set: (keyHash: string, record: KeyRecord) => Promise<void>;
  /** As `deleteCachedKey`. */
  delete: (keyHash: string) => Promise<void>;
}

export interface KeyCacheOptions {
  /** The keyed hash of a text, with a key that whoever writes into Redis does not have. */
  hash: (text: string) => Buffer;
  now: () => number;
  /** A record was not of a gateway, or of another key, or from before its time. */
  onForged: () => void;
}

const TTL_SECONDS = 300;
/** Gateways' clocks may differ by less. */
const CLOCKS_DIFFER_MS = 60_000;
/** Stored in place of a deleted record. */
const DELETED = "";

/**
 * A record carries the time at which it was written, and a keyed hash over that, itself and the key that it
 * belongs to: who can write into Redis can neither make one nor put one in another's place, and an old one is
 * of no use for longer than it would have lived. What does not fit the schema (another version wrote it) or
 * is not signed counts as absent.
 */
export function createKeyCache<Schema extends TSchema>(
  redis: RedisConnection,
  schema: Schema,
  { hash, now, onForged }: KeyCacheOptions,
): KeyCache<Static<Schema>> {
  const check = TypeCompiler.Compile(schema);

  const signatureOf = (keyHash: string, signed: string): Buffer =>
    hash(`key-record\n${keyHash}\n${signed}`);

  /** The record of `SIGNATURE TIME RECORD`, if it is ours and of its time. */
  function read(keyHash: string, stored: string): unknown {
    const [, signature = "", signed = "", at = "", json = ""] =
      /^([\w-]+) ((\d+) (.*))$/s.exec(stored) ?? [];
    const given = Buffer.from(signature, "base64url");
    const right = signatureOf(keyHash, signed);
    const isOurs = given.byteLength === right.byteLength && timingSafeEqual(given, right);
    const isOfItsTime = Math.abs(now() - Number(at)) <= TTL_SECONDS * 1_000 + CLOCKS_DIFFER_MS;
    if (isOurs && isOfItsTime) return JSON.parse(json);
    onForged();
    return undefined;
  }

  return {
    get: async (keyHash) => {
      const key = apiKeyKey(keyHash);
      const stored = await redis.run(({ client }) => client.get(key), key);
      if (stored === null || stored === DELETED) return undefined;
      const record = read(keyHash, stored);
      return check.Check(record) ? record : undefined;
    },
    set: async (keyHash, record) => {
      const signed = `${now()} ${JSON.stringify(record)}`;
      const stored = `${signatureOf(keyHash, signed).toString("base64url")} ${signed}`;
      const key = apiKeyKey(keyHash);
      await redis.run(({ client }) => client.set(key, stored, "EX", TTL_SECONDS, "NX"), key);
    },
    delete: (keyHash) => deleteCachedKey(redis, keyHash),
  };
}

/**
 * Call this after a change of a key was committed. For as long as a record would have lived none is cached,
 * so that all read PostgreSQL.
 *
 * @throws {Fault} QUOTA_UNAVAILABLE
 */
export async function deleteCachedKey(redis: RedisConnection, keyHash: string): Promise<void> {
  const key = apiKeyKey(keyHash);
  await redis.run(({ client }) => client.set(key, DELETED, "EX", TTL_SECONDS), key);
}
