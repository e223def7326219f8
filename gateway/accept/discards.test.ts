import { expect, test } from "bun:test";

import { createFakeClock } from "../../test/support/clock.ts";
import { storeDown, testConfig } from "../../test/support/gateway-world.ts";
import { silentLog } from "../../runtime/log.ts";
import { createDiscards } from "./discards.ts";

test("while the store is away no refused request is called not stored, however many there are", async () => {
  const clock = createFakeClock(0);
  const config = testConfig({});
  const { discard, pending } = createDiscards({
    config: () => config,
    log: silentLog,
    now: clock.now,
    schedule: clock.schedule,
    discardRequests: storeDown,
  });
  let concluded = 0;

  const count = 100_001;
  for (let id = 0; id < count; id += 1) void discard(String(id)).then(() => (concluded += 1));
  await clock.advance(3_000);

  expect({ concluded, pending: pending() }).toEqual({ concluded: 0, pending: count });
});
