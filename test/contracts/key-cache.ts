import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { KeyCache } from "../../adapters/redis/key-cache.ts";
import type { KeyRecord } from "../../core/key-record.ts";
import { newId } from "../support/quota-samples.ts";

export interface KeyCacheSubject {
  cache: KeyCache<KeyRecord>;
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

/** What the records of API keys that all gateways share promise. */
export function describeKeyCacheContract(
  name: string,
  makeSubject: () => Promise<KeyCacheSubject>,
): void {
  const record: KeyRecord = {
    keyId: "k",
    userId: "u",
    userActive: true,
    tier: "free",
    expiresAtMs: 7,
    models: null,
    routes: ["read"],
  };

  describe(`the cache of keys: ${name}`, () => {
    let subject: KeyCacheSubject;
    let cache: KeyCache<KeyRecord>;
    beforeAll(async () => {
      subject = await makeSubject();
      ({ cache } = subject);
    });
    afterAll(() => subject.stop());

    test("a record is kept", async () => {
      const hash = newId();

      await cache.set(hash, record);

      expect(await cache.get(hash)).toEqual(record);
    });

    test("an unknown key is absent", async () => {
      expect(await cache.get(newId())).toBeUndefined();
    });

    test("the record that is there stays: one that was read earlier may arrive later", async () => {
      const hash = newId();
      await cache.set(hash, record);

      await cache.set(hash, { ...record, userActive: false });

      expect(await cache.get(hash)).toEqual(record);
    });

    test("a record that was read before the key was revoked does not come back after it", async () => {
      const hash = newId();
      await cache.set(hash, record);

      await cache.delete(hash);
      await cache.set(hash, record);

      expect(await cache.get(hash)).toBeUndefined();
    });

    test("while the server is away everything is refused", async () => {
      const hash = newId();
      await subject.setAway(true);

      const refused = await Promise.allSettled([
        cache.get(hash),
        cache.set(hash, record),
        cache.delete(hash),
      ]);
      await subject.setAway(false);

      for (const outcome of refused)
        expect(outcome).toMatchObject({ reason: { code: "QUOTA_UNAVAILABLE" } });
    });
  });
}
