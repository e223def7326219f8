import { expect, test } from "bun:test";

import { createServerClock } from "./server-clock.ts";

const MACHINE_MS = 1_000_000;

/** A clock of a machine that says the same for ever, after comparisons that came out so. */
async function clockAfter(...measured: { aheadMs: number; roundTripMs: number }[]) {
  const logged: string[] = [];
  const write = (_: unknown, message: string): void => void logged.push(message);
  const clock = createServerClock(
    { ping: async () => measured.shift() ?? { aheadMs: 0, roundTripMs: 0 } },
    { debug: write, info: write, warn: write, error: write },
    () => MACHINE_MS,
  );
  const times = measured.length;
  for (let time = 0; time < times; time += 1) await clock.check();
  return { aheadMs: clock.now() - MACHINE_MS, logged };
}

test.each([
  ["is minutes ahead of ours is followed", 300_000, 300_000],
  ["is minutes behind ours is followed", -300_000, -300_000],
  ["differs by less than a second is not followed", 900, 0],
])("a clock of the server that %s", async (_, measuredMs, followedMs) => {
  const { aheadMs, logged } = await clockAfter({ aheadMs: measuredMs, roundTripMs: 2 });

  expect(aheadMs).toBe(followedMs);
  expect(logged).toHaveLength(followedMs === 0 ? 0 : 1);
});

test("a comparison that took long, as in a process that was frozen, changes nothing", async () => {
  const { aheadMs } = await clockAfter(
    { aheadMs: 300_000, roundTripMs: 2 },
    { aheadMs: 270_000, roundTripMs: 60_000 },
  );

  expect(aheadMs).toBe(300_000);
});

test("once the clocks agree again, this machine's own is used", async () => {
  const { aheadMs, logged } = await clockAfter(
    { aheadMs: 300_000, roundTripMs: 2 },
    { aheadMs: 299_000, roundTripMs: 2 },
    { aheadMs: 3, roundTripMs: 2 },
  );

  expect(aheadMs).toBe(0);
  expect(logged).toHaveLength(1);
});
