import { createFakeHints } from "../support/fakes/hints.ts";
import { createFakeServer } from "../support/fakes/server.ts";
import { describeHintsContract } from "./hints.ts";

describeHintsContract("the fake", async () => {
  const server = createFakeServer("QUOTA_UNAVAILABLE");
  return {
    hints: createFakeHints({ server, now: Date.now }),
    setAway: async (isAway) => void (server.isAway = isAway),
    stop: async () => {},
  };
});
