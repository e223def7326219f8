import { createFakeRequestStore } from "../support/fakes/request-store.ts";
import { createFakeServer } from "../support/fakes/server.ts";
import { describeRequestStoreContract } from "./request-store.ts";

describeRequestStoreContract("the fake", async () => {
  const server = createFakeServer("STORE_UNAVAILABLE");
  const store = createFakeRequestStore({ server, now: Date.now });
  return {
    store,
    agePublisher: async (publisherId, ms) => store.agePublisher(publisherId, ms),
    setAway: async (isAway) => void (server.isAway = isAway),
    stop: async () => {},
  };
});
