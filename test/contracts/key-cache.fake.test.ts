import { createFakeKeyCache } from "../support/fakes/key-cache.ts";
import { createFakeServer } from "../support/fakes/server.ts";
import { describeKeyCacheContract } from "./key-cache.ts";

describeKeyCacheContract("the fake", async () => {
  const server = createFakeServer("QUOTA_UNAVAILABLE");
  return {
    cache: createFakeKeyCache({ server, now: Date.now }),
    setAway: async (isAway) => void (server.isAway = isAway),
    stop: async () => {},
  };
});
