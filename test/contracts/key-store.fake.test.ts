import { createFakeKeyStore } from "../support/fakes/key-store.ts";
import { createFakeServer } from "../support/fakes/server.ts";
import { describeKeyStoreContract } from "./key-store.ts";

describeKeyStoreContract("the fake", async () => {
  const server = createFakeServer("STORE_UNAVAILABLE");
  const keys = createFakeKeyStore(server);
  return {
    readStoredKeys: keys.readStoredKeys,
    readKeyChanges: keys.readKeyChanges,
    addUser: async () => crypto.randomUUID(),
    addKey: async ({ keyHash, ...record }) => keys.add(keyHash, record),
    revokeKey: async (keyId) => keys.revoke(keyId),
    setUserActive: async (userId, isActive) => keys.setUserActive(userId, isActive),
    setTier: async (userId, tier) => keys.setTier(userId, tier),
    setAway: async (isAway) => void (server.isAway = isAway),
    stop: async () => {},
  };
});
