import { createFakeModelHealth } from "../support/fakes/model-health.ts";
import { createFakeServer } from "../support/fakes/server.ts";
import { describeModelHealthContract } from "./model-health.ts";

describeModelHealthContract("the fake", async () => {
  const server = createFakeServer("QUOTA_UNAVAILABLE");
  const store = createFakeModelHealth({ server, now: Date.now });
  return {
    stores: [store, store, store],
    setAway: async (isAway) => void (server.isAway = isAway),
    stop: async () => {},
  };
});
