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
  /**
   * Call this after a change was committed. For as long as a record would have lived none is cached, so that
   * all read PostgreSQL.
   */
  delete: (keyHash: string) => Promise<void>;
}

const TTL_SECONDS = 300;
/** Stored in place of a deleted record. */
const DELETED = "";

/** What does not fit the schema (another version wrote it) counts as absent. */
export function createKeyCache<Schema extends TSchema>(
  redis: RedisConnection,
  schema: Schema,
): KeyCache<Static<Schema>> {
  const check = TypeCompiler.Compile(schema);
  return {
    get: async (keyHash) => {
      const key = apiKeyKey(keyHash);
      const stored = await redis.run(({ client }) => client.get(key), key);
      if (stored === null || stored === DELETED) return undefined;
      const record: unknown = JSON.parse(stored);
      return check.Check(record) ? record : undefined;
    },
    set: async (keyHash, record) => {
      const json = JSON.stringify(record);
      const key = apiKeyKey(keyHash);
      await redis.run(({ client }) => client.set(key, json, "EX", TTL_SECONDS, "NX"), key);
    },
    delete: async (keyHash) => {
      const key = apiKeyKey(keyHash);
      await redis.run(({ client }) => client.set(key, DELETED, "EX", TTL_SECONDS), key);
    },
  };
}
