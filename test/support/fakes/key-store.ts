import type { KeyRecord } from "../../../core/key-record.ts";
import type { FakeServer } from "./server.ts";

/** API keys and whether their users are active, without PostgreSQL. */
export interface FakeKeyStore {
  readStoredKeys: (keyHashes: Uint8Array[]) => Promise<(KeyRecord | undefined)[]>;
  add: (keyHash: Uint8Array, record: Omit<KeyRecord, "userActive">) => void;
  /** It is not found any more. */
  revoke: (keyId: string) => void;
  setUserActive: (userId: string, isActive: boolean) => void;
}

export function createFakeKeyStore(server: FakeServer): FakeKeyStore {
  const keys = new Map<string, Omit<KeyRecord, "userActive">>();
  const inactive = new Set<string>();
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

  return {
    readStoredKeys: (keyHashes) =>
      server.ask(() =>
        keyHashes.map((keyHash) => {
          const key = keys.get(hex(keyHash));
          return key && { ...key, userActive: !inactive.has(key.userId) };
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
  };
}
