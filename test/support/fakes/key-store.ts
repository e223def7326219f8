import type { KeyRecord } from "../../../core/key-record.ts";
import type { FakeServer } from "./server.ts";

/** A key without what its user is asked for. */
type OwnKey = Omit<KeyRecord, "userActive" | "tier">;

/** API keys and whether their users are active, without PostgreSQL. */
export interface FakeKeyStore {
  readStoredKeys: (keyHashes: Uint8Array[]) => Promise<(KeyRecord | undefined)[]>;
  add: (keyHash: Uint8Array, record: OwnKey) => void;
  /** It is not found any more. */
  revoke: (keyId: string) => void;
  setUserActive: (userId: string, isActive: boolean) => void;
  /** Of the daily window. */
  setTier: (userId: string, tier: string) => void;
}

export function createFakeKeyStore(server: FakeServer): FakeKeyStore {
  const keys = new Map<string, OwnKey>();
  const inactive = new Set<string>();
  const tiers = new Map<string, string>();
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

  return {
    readStoredKeys: (keyHashes) =>
      server.ask(() =>
        keyHashes.map((keyHash) => {
          const key = keys.get(hex(keyHash));
          if (key === undefined) return undefined;
          const { userId } = key;
          return { ...key, userActive: !inactive.has(userId), tier: tiers.get(userId) ?? null };
        }),
      ),
    add: (keyHash, record) => void keys.set(hex(keyHash), record),
    revoke: (keyId) => {
      for (const [hash, key] of keys) if (key.keyId === keyId) keys.delete(hash);
    },
    setUserActive: (userId, isActive) => {
      if (isActive) inactive.delete(userId);
      else inactive.add(userId);
    },
    setTier: (userId, tier) => void tiers.set(userId, tier),
  };
}
