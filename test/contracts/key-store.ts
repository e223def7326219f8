import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUIDv7 } from "bun";
import { randomBytes } from "node:crypto";

import type { KeyScopes } from "../../core/key-record.ts";
import type { GatewayPorts } from "../../gateway/ports.ts";

export interface KeyStoreSubject {
  readStoredKeys: GatewayPorts["readStoredKeys"];
  readKeyChanges: GatewayPorts["readKeyChanges"];
  /** Returns the id of a new user. */
  addUser: () => Promise<string>;
  addKey: (
    key: {
      keyId: string;
      userId: string;
      keyHash: Uint8Array;
      expiresAtMs: number | null;
    } & KeyScopes,
  ) => Promise<void>;
  revokeKey: (keyId: string) => Promise<void>;
  setUserActive: (userId: string, isActive: boolean) => Promise<void>;
  /** Of the daily window. */
  setTier: (userId: string, tier: string) => Promise<void>;
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

const SCOPES: KeyScopes = { models: ["m1", "m2"], routes: ["submit", "read"] };

/** What the store of API keys promises to authentication. */
export function describeKeyStoreContract(
  name: string,
  makeSubject: () => Promise<KeyStoreSubject>,
): void {
  describe(`stored keys: ${name}`, () => {
    let subject: KeyStoreSubject;
    beforeAll(async () => {
      subject = await makeSubject();
    });
    afterAll(() => subject.stop());

    async function addKey(userId: string, expiresAtMs: number | null = null) {
      const key = {
        keyId: randomUUIDv7(),
        userId,
        keyHash: randomBytes(32),
        expiresAtMs,
        ...SCOPES,
      };
      await subject.addKey(key);
      return key;
    }

    test("are found by their hashes, many at once and in order, also when they have expired", async () => {
      const userId = await subject.addUser();
      const [plain, expired] = [await addKey(userId), await addKey(userId, Date.now() - 1)];

      const found = await subject.readStoredKeys([expired.keyHash, randomBytes(32), plain.keyHash]);

      const owner = { userId, userActive: true, tier: null };
      expect(found).toEqual([
        { keyId: expired.keyId, ...owner, expiresAtMs: expired.expiresAtMs, ...SCOPES },
        undefined,
        { keyId: plain.keyId, ...owner, expiresAtMs: null, ...SCOPES },
      ]);
    });

    test("tell whether their user is active", async () => {
      const userId = await subject.addUser();
      const { keyHash } = await addKey(userId);

      await subject.setUserActive(userId, false);
      const [inactive] = await subject.readStoredKeys([keyHash]);
      await subject.setUserActive(userId, true);
      const [active] = await subject.readStoredKeys([keyHash]);

      expect([inactive?.userActive, active?.userActive]).toEqual([false, true]);
    });

    test("tell the tier of their user, and that of nobody else", async () => {
      const [promoted, other] = [await subject.addUser(), await subject.addUser()];
      const keys = [await addKey(promoted), await addKey(other)];

      await subject.setTier(promoted, "gold");

      const found = await subject.readStoredKeys(keys.map(({ keyHash }) => keyHash));
      expect(found.map((key) => key?.tier)).toEqual(["gold", null]);
    });

    test("that are revoked are not found any more, and the others of the user are", async () => {
      const userId = await subject.addUser();
      const [revoked, kept] = [await addKey(userId), await addKey(userId)];

      await subject.revokeKey(revoked.keyId);

      const found = await subject.readStoredKeys([revoked.keyHash, kept.keyHash]);
      expect(found.map((key) => key?.keyId)).toEqual([undefined, kept.keyId]);
    });

    /** Whose key was changed since a reading; null: ever. */
    async function changesSince(horizon: string | null) {
      const read = await subject.readKeyChanges({ horizon, sinceMs: 60_000, limit: 1_000 });
      return { horizon: read.horizon, hashes: new Set(read.changes.map(({ keyHash }) => keyHash)) };
    }
    const textOf = ({ keyHash }: { keyHash: Buffer }): string => keyHash.toString("base64url");

    test("that change are told to whoever asks what changed, and those of others are not", async () => {
      const [one, other] = [await subject.addUser(), await subject.addUser()];
      const revoked = await addKey(one);
      const { horizon } = await changesSince(null);
      const kept = await addKey(one);
      const others = await addKey(other);

      await subject.revokeKey(revoked.keyId);
      const first = await changesSince(horizon);
      await subject.setUserActive(one, false);
      const second = await changesSince(horizon);
      await subject.setTier(other, "gold");
      const third = await changesSince(horizon);
      const ever = await changesSince(null);

      const all = [revoked, kept, others].map(textOf);
      const told = (hashes: Set<string>) => all.map((hash) => hashes.has(hash));
      expect(told(first.hashes)).toEqual([true, false, false]);
      expect(told(second.hashes)).toEqual([true, true, false]);
      expect(told(third.hashes)).toEqual([true, true, true]);
      expect(told(ever.hashes)).toEqual([true, true, true]);
      expect(BigInt(third.horizon)).toBeGreaterThanOrEqual(BigInt(horizon));
    });

    test("cannot be read while the server is away", async () => {
      await subject.setAway(true);

      const reading = subject.readStoredKeys([randomBytes(32)]);
      const failure = await reading.catch((error: unknown) => error);
      await subject.setAway(false);

      expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
    });
  });
}
