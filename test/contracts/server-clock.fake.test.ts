import { createFakeServerTime } from "../support/fakes/server-time.ts";
import { createFakeServer } from "../support/fakes/server.ts";
import { describeServerClockContract, trueNow } from "./server-clock.ts";

describeServerClockContract("the fake", async () => {
  const server = createFakeServer("STORE_UNAVAILABLE");
  return {
    ...createFakeServerTime(server, trueNow),
    setAway: async (isAway) => void (server.isAway = isAway),
    stop: async () => {},
  };
});
