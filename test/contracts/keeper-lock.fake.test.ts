import { createFakeClock } from "../support/clock.ts";
import { createFakeKeeperLocks } from "../support/fakes/keeper-lock.ts";
import { describeKeeperLockContract } from "./keeper-lock.ts";

describeKeeperLockContract("the fake", async () => {
  const clock = createFakeClock(0);
  const locks = createFakeKeeperLocks({ now: clock.now, silentMs: 400 });
  return {
    lockOf: async (name, onLost) => locks.lockOf(name, onLost),
    killSession: async (name) => locks.killSession(name),
    cutOff: (name) => locks.cutOff(name, true),
    until: async (isTrue) => {
      for (let tries = 0; !(await isTrue()); tries += 1) {
        if (tries === 100) throw new Error("it did not come true");
        await clock.advance(20);
      }
    },
    stop: async () => {},
  };
});
