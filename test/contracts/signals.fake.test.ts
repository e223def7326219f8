import { createFakeServer } from "../support/fakes/server.ts";
import { createFakeSignals } from "../support/fakes/signals.ts";
import { describeSignalsContract } from "./signals.ts";

describeSignalsContract("the fake", async () => {
  const server = createFakeServer("QUOTA_UNAVAILABLE");
  const signals = createFakeSignals(server);
  return {
    signals,
    cutSubscription: () => {
      signals.loseSubscription();
      signals.resubscribe();
    },
    setAway: async (isAway) => void (server.isAway = isAway),
    stop: async () => {},
  };
});
