import { checkApiKey } from "../../core/api-key.ts";
import { Fault } from "../../core/faults.ts";
import type { KeyRecord } from "../../core/key-record.ts";
import { createBatcher } from "../../runtime/batcher.ts";
import { createKeyWatch, type KeyWatch } from "./key-changes.ts";
import type { GatewayPorts, Principal } from "../ports.ts";

type Ports = Pick<
  GatewayPorts,
  | "config"
  | "metrics"
  | "now"
  | "log"
  | "hashKey"
  | "readCachedKey"
  | "cacheKey"
  | "readStoredKeys"
  | "schedule"
  | "onKeyChange"
  | "onResubscribed"
  | "readKeyChanges"
>;

/**
 * Finds whose API key a call carries.
 *
 * @throws {Fault} KEY_MALFORMED, KEY_UNKNOWN, USER_INACTIVE, OVERLOADED, STORE_UNAVAILABLE
 */
export type Authenticate = (key: string) => Principal | Promise<Principal>;

/** How long an unknown key is remembered, so that a client with a wrong key costs no query per call. */
const UNKNOWN_KEY_MS = 5_000;

/**
 * Anybody can make up keys with a right checksum: those must neither drive out good keys nor take the
 * connections of the inserts.
 */
const UNKNOWN_KEYS_MAX = 10_000;
const LOOKUPS_PENDING_MAX = 5_000;
const LOOKUP_BATCH_MAX = 500;

interface CachedKey {
  record: KeyRecord | undefined;
  staleAtMs: number;
}

/** Remembers the newest `max` entries. */
function remember(
  keys: Map<string, CachedKey>,
  max: number,
  keyHash: string,
  key: CachedKey,
): void {
  // A Map keeps the order of insertion: the first entry is the oldest.
  if (keys.size >= max) keys.delete(keys.keys().next().value ?? "");
  keys.set(keyHash, key);
}

/**
 * Looks a key up in memory, in Redis, in PostgreSQL, in that order. Concurrent calls with one key share one
 * look-up. A change, such as a revocation, is announced and takes effect at once; if the announcement is
 * lost, or Redis is away, when PostgreSQL is next asked what changed: within two seconds.
 */
export function createAuthenticate(ports: Ports): {
  authenticate: Authenticate;
  watch: Pick<KeyWatch, "start" | "stop">;
} {
  const known = new Map<string, CachedKey>();
  const unknown = new Map<string, CachedKey>();
  const stored = createBatcher<Buffer, KeyRecord | undefined>({
    itemsMax: LOOKUP_BATCH_MAX,
    waitMs: 0,
    flushesMax: 1,
    bound: {
      pendingMax: LOOKUPS_PENDING_MAX,
      onFull: () => new Fault("OVERLOADED", "too many keys are being looked up; try again shortly"),
    },
    flush: ports.readStoredKeys,
    schedule: ports.schedule,
  });
  const lookups = new Map<string, Promise<KeyRecord | undefined>>();
  function forget(keyHash: string): void {
    known.delete(keyHash);
    unknown.delete(keyHash);
    // One that is under way may have read the key before the change: what it finds must not be remembered.
    lookups.delete(keyHash);
  }
  function forgetAll(): void {
    known.clear();
    unknown.clear();
    lookups.clear();
  }
  ports.onKeyChange(forget);
  // Announcements may have been lost before.
  ports.onResubscribed(forgetAll);
  const watch = createKeyWatch(ports, { forget, forgetAll });

  function rememberKey(keyHash: string, record: KeyRecord | undefined): void {
    const { key_cache_ms: keyCacheMs, key_cache_max: keyCacheMax } = ports.config().gateway;
    known.delete(keyHash);
    unknown.delete(keyHash);
    if (record === undefined)
      remember(unknown, UNKNOWN_KEYS_MAX, keyHash, {
        record,
        staleAtMs: ports.now() + UNKNOWN_KEY_MS,
      });
    else remember(known, keyCacheMax, keyHash, { record, staleAtMs: ports.now() + keyCacheMs });
  }

  function readCached(keyHash: string): Promise<KeyRecord | undefined> {
    return ports.readCachedKey(keyHash).catch((error: unknown) => {
      ports.log.warn({ err: error }, "cannot read the key cache");
      return undefined;
    });
  }

  async function lookUp(hash: Buffer, keyHash: string): Promise<KeyRecord | undefined> {
    const isSuspect = watch.isSuspect(keyHash);
    const cached = isSuspect ? undefined : await readCached(keyHash);
    // A change may have been told while Redis was asked.
    if (cached !== undefined && !watch.isSuspect(keyHash)) {
      ports.metrics.gateway_key_lookups_total.add(1, "redis");
      return cached;
    }
    ports.metrics.gateway_key_lookups_total.add(1, "postgres");
    const record = await stored.add(hash);
    if (record !== undefined && !isSuspect) {
      void ports
        .cacheKey(keyHash, record)
        .catch((error: unknown) => ports.log.warn({ err: error }, "cannot cache a key"));
    }
    return record;
  }

  function lookUpOnce(hash: Buffer, keyHash: string): Promise<KeyRecord | undefined> {
    const underWay = lookups.get(keyHash);
    if (underWay !== undefined) return underWay;
    const isCurrent = (): boolean => lookups.get(keyHash) === lookup;
    const lookup = lookUp(hash, keyHash)
      .then((record) => {
        if (isCurrent()) rememberKey(keyHash, record);
        return record;
      })
      .finally(() => {
        if (isCurrent()) lookups.delete(keyHash);
      });
    lookups.set(keyHash, lookup);
    return lookup;
  }

  function principalOf(record: KeyRecord | undefined): Principal {
    if (
      record === undefined ||
      (record.expiresAtMs !== null && record.expiresAtMs <= ports.now())
    ) {
      throw new Fault("KEY_UNKNOWN", "the key is unknown, revoked or expired");
    }
    if (!record.userActive)
      throw new Fault("USER_INACTIVE", "the user of this key is inactive; ask the operator");
    const { keyId, userId, tier, models, routes } = record;
    return { keyId, userId, tier, models, routes };
  }

  const authenticate: Authenticate = (key) => {
    const hash = ports.hashKey(key);
    const keyHash = hash.toString("base64url");
    const cached = known.get(keyHash) ?? unknown.get(keyHash);
    if (cached !== undefined && cached.staleAtMs > ports.now()) {
      ports.metrics.gateway_key_lookups_total.add(1, "memory");
      return principalOf(cached.record);
    }
    if (!checkApiKey(key))
      throw new Fault("KEY_MALFORMED", "the key is not complete: its checksum does not match");
    return lookUpOnce(hash, keyHash).then(principalOf);
  };
  return { authenticate, watch };
}
