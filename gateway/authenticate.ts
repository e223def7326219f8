import { checkApiKey } from "../core/api-key.ts";
import { Fault } from "../core/faults.ts";
import type { GatewayPorts, KeyRecord, Principal } from "./ports.ts";

type Ports = Pick<
  GatewayPorts,
  | "config"
  | "metrics"
  | "now"
  | "log"
  | "hashKey"
  | "readCachedKey"
  | "cacheKey"
  | "readStoredKey"
  | "onKeyChange"
  | "onResubscribed"
>;

/** How long an unknown key is remembered, so that a client with a wrong key costs no query per call. */
const UNKNOWN_KEY_MS = 5_000;

interface CachedKey {
  record: KeyRecord | undefined;
  staleAtMs: number;
}

function keyOf(headers: Headers): string {
  const authorization = headers.get("authorization");
  if (authorization !== null) {
    const [scheme = "", key = ""] = authorization.trim().split(/\s+/, 2);
    if (scheme.toLowerCase() === "bearer" && key !== "") return key;
    throw new Fault("KEY_MALFORMED", "send the header Authorization: Bearer <key>");
  }
  const key = headers.get("x-api-key");
  if (key === null)
    throw new Fault(
      "KEY_MISSING",
      "send an API key as Authorization: Bearer <key> or X-API-Key: <key>",
    );
  return key.trim();
}

/**
 * Finds whose key a call carries: in memory, in Redis, in PostgreSQL, in that order. Concurrent calls with one key share one look-up.
 * A revocation is announced and takes effect at once; if the announcement is lost, after `key_cache_ms` at the latest. Only if Redis
 * was away when the key was revoked, its own cache keeps the key for up to five minutes more.
 *
 * @throws {Fault} KEY_MISSING, KEY_MALFORMED, KEY_UNKNOWN, USER_INACTIVE, STORE_UNAVAILABLE
 */
export function createAuthenticator(
  ports: Ports,
): (headers: Headers) => Principal | Promise<Principal> {
  const known = new Map<string, CachedKey>();
  const lookups = new Map<string, Promise<KeyRecord | undefined>>();
  ports.onKeyChange((keyHash) => {
    known.delete(keyHash);
    // One that is under way may have read the key before the change: its answer must not be remembered.
    lookups.delete(keyHash);
  });
  // Announcements may have been lost before.
  ports.onResubscribed(() => {
    known.clear();
    lookups.clear();
  });

  function remember(keyHash: string, record: KeyRecord | undefined): void {
    const { key_cache_ms: keyCacheMs, key_cache_max: keyCacheMax } = ports.config().gateway;
    // A Map keeps the order of insertion: the first entry is the oldest.
    if (known.size >= keyCacheMax) known.delete(known.keys().next().value ?? "");
    known.set(keyHash, {
      record,
      staleAtMs: ports.now() + (record === undefined ? UNKNOWN_KEY_MS : keyCacheMs),
    });
  }

  async function lookUp(hash: Buffer, keyHash: string): Promise<KeyRecord | undefined> {
    const cached = await ports.readCachedKey(keyHash).catch((error: unknown) => {
      ports.log.warn({ err: error }, "the key cache does not answer");
      return undefined;
    });
    if (cached !== undefined) {
      ports.metrics.gateway_key_lookups_total.add(1, "redis");
      return cached;
    }
    ports.metrics.gateway_key_lookups_total.add(1, "postgres");
    const stored = await ports.readStoredKey(hash);
    if (stored !== undefined) {
      void ports
        .cacheKey(keyHash, stored)
        .catch((error: unknown) => ports.log.warn({ err: error }, "cannot cache a key"));
    }
    return stored;
  }

  function lookUpOnce(hash: Buffer, keyHash: string): Promise<KeyRecord | undefined> {
    const underWay = lookups.get(keyHash);
    if (underWay !== undefined) return underWay;
    const isCurrent = (): boolean => lookups.get(keyHash) === lookup;
    const lookup = lookUp(hash, keyHash)
      .then((record) => {
        if (isCurrent()) remember(keyHash, record);
        return record;
      })
      .finally(() => {
        if (isCurrent()) lookups.delete(keyHash);
      });
    lookups.set(keyHash, lookup);
    return lookup;
  }

  function admitKey(record: KeyRecord | undefined): Principal {
    if (
      record === undefined ||
      (record.expiresAtMs !== null && record.expiresAtMs <= ports.now())
    ) {
      throw new Fault("KEY_UNKNOWN", "the key is unknown, revoked or expired");
    }
    if (!record.userActive)
      throw new Fault("USER_INACTIVE", "the user of this key is inactive; ask the operator");
    return { keyId: record.keyId, userId: record.userId };
  }

  return (headers) => {
    const key = keyOf(headers);
    const hash = ports.hashKey(key);
    const keyHash = hash.toString("base64url");
    const cached = known.get(keyHash);
    if (cached !== undefined && cached.staleAtMs > ports.now()) {
      ports.metrics.gateway_key_lookups_total.add(1, "memory");
      return admitKey(cached.record);
    }
    if (!checkApiKey(key))
      throw new Fault("KEY_MALFORMED", "the key is not complete: its checksum does not match");
    return lookUpOnce(hash, keyHash).then(admitKey);
  };
}
