import type { KeyChanges, KeyRecord } from "../../../core/key-record.ts";
import type { GatewayPorts } from "../../../gateway/ports.ts";
import type { FakeServer } from "./server.ts";

/** A key without what its user is asked for. */
type OwnKey = Omit<KeyRecord, "userActive" | "tier">;

/** API keys and whether their users are active, without PostgreSQL. */
export interface FakeKeyStore {
  readStoredKeys: (keyHashes: Uint8Array[]) => Promise<(KeyRecord | undefined)[]>;
  readKeyChanges: GatewayPorts["readKeyChanges"];
  /** The next reading says that the store was set back. */
  setBack: () => void;
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
  const changed: KeyChanges["changes"][number][] = [];
  let setBackBy = 0;

  function noteChange(hash: string): void {
    const keyHash = Buffer.from(hash, "hex").toString("base64url");
    changed.push({ changeId: changed.length + 1, keyHash });
  }
  function noteChangesOf(userId: string): void {
    for (const [hash, key] of keys) if (key.userId === userId) noteChange(hash);
  }

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
    // Changes are numbered; a reading goes on after the last one it saw.
    readKeyChanges: ({ horizon, limit }) =>
      server.ask(() => ({
        horizon: String(changed.length - setBackBy),
        changes: changed.slice(Number(horizon ?? 0)).slice(0, limit),
      })),
    setBack: () => void (setBackBy = changed.length + 1),
    add: (keyHash, record) => void keys.set(hex(keyHash), record),
    revoke: (keyId) => {
      for (const [hash, key] of keys)
        if (key.keyId === keyId) {
          keys.delete(hash);
          noteChange(hash);
        }
    },
    setUserActive: (userId, isActive) => {
      if (isActive) inactive.delete(userId);
      else inactive.add(userId);
      noteChangesOf(userId);
    },
    setTier: (userId, tier) => {
      tiers.set(userId, tier);
      noteChangesOf(userId);
    },
  };
}
