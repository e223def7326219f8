import { addKey, findKeys, revokeKey } from "../../adapters/postgres/api-keys.ts";
import { setUserActive } from "../../adapters/postgres/users.ts";
import { readKeyChanges } from "../../adapters/postgres/key-changes.ts";
import { createProxiedDatabase, newUser, setQuota, TEST_ACT } from "../support/postgres.ts";
import { describeKeyStoreContract } from "./key-store.ts";

describeKeyStoreContract("PostgreSQL", async () => {
  const { database, setAway, stop } = await createProxiedDatabase();
  const shown = { prefix: "tg_live_abcd", last4: "wxyz", name: "laptop" };
  return {
    readStoredKeys: (keyHashes) => findKeys(database, keyHashes),
    readKeyChanges: (query) => readKeyChanges(database, query),
    addUser: () => newUser(database),
    addKey: async (key) => void (await addKey(database, { ...key, ...shown }, TEST_ACT)),
    revokeKey: async (keyId) => void (await revokeKey(database, keyId, TEST_ACT)),
    setUserActive: async (userId, isActive) =>
      void (await setUserActive(database, userId, isActive, TEST_ACT)),
    setTier: async (userId, tier) =>
      void (await setQuota(database, {
        userId,
        window: "daily",
        tier,
        requests: null,
        tokens: null,
      })),
    setAway,
    stop,
  };
});
