import { createFakeLanes } from "../support/fakes/lanes.ts";
import { createFakeServer } from "../support/fakes/server.ts";
import { describeLanesContract } from "./lanes.ts";

describeLanesContract("the fake", async () => {
  const server = createFakeServer("QUOTA_UNAVAILABLE");
  const lanes = createFakeLanes({ server, now: Date.now });
  return {
    lanes,
    forgetView: async () => lanes.forgetView(),
    silence: async (workerId, ms) => lanes.silence(workerId, ms),
    setAway: async (isAway) => void (server.isAway = isAway),
    stop: async () => {},
  };
});
