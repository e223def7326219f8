import { createFakeHints } from "../support/fakes/hints.ts";
import { createFakeQuota } from "../support/fakes/quota.ts";
import { createFakeServer } from "../support/fakes/server.ts";
import { describeQuotaContract } from "./quota.ts";

describeQuotaContract("the fake", ["something that is not ours"], async () => {
  let setMs: number | null = null;
  const now = (): number => setMs ?? Date.now();
  const server = createFakeServer("QUOTA_UNAVAILABLE");
  const hints = createFakeHints({ server, now });
  const quota = createFakeQuota({ server, now, forgetMark: hints.forget });
  return {
    quota,
    other: quota,
    holds: quota,
    hints,
    setClock: (atMs) => {
      setMs = atMs;
    },
    restart: quota.restart,
    setAway: async (isAway) => {
      server.isAway = isAway;
    },
    ageLoad: async (userId, ms) => quota.ageLoad(userId, ms),
    knownForMs: async (userId) => quota.knownForMs(userId),
    damage: async (_, userId) => quota.damage(userId),
    stop: async () => {},
  };
});
