import { addKey, findKeys, revokeKey } from "../../adapters/postgres/api-keys.ts";
import { setQuota } from "../../adapters/postgres/quotas.ts";
import { setUserActive } from "../../adapters/postgres/users.ts";
import { createProxiedDatabase, newUser } from "../support/postgres.ts";
import { describeKeyStoreContract } from "./key-store.ts";

describeKeyStoreContract("PostgreSQL", async () => {
  const { database, setAway, stop } = await createProxiedDatabase();
  const shown = { prefix: "tg_live_abcd", last4: "wxyz", name: "laptop" };
  return {
    readStoredKeys: (keyHashes) => findKeys(database, keyHashes),
    addUser: () => newUser(database),
    addKey: (key) => addKey(database, { ...key, ...shown }),
    revokeKey: async (keyId) => void (await revokeKey(database, keyId)),
    setUserActive: async (userId, isActive) =>
      void (await setUserActive(database, userId, isActive)),
    setTier: (userId, tier) =>
      setQuota(database, { userId, window: "daily", tier, requests: null, tokens: null }),
    setAway,
    stop,
  };
});
