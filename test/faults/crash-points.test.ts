import { expect } from "bun:test";

import type { CrashPoint } from "../../runtime/crash-points.ts";
import type { Component } from "../../local/stack/component.ts";
import { scenariosOnStack } from "./scenarios.ts";

const scenario = scenariosOnStack();

const REACHED_LIMIT_MS = 15_000;
/** Longer than the broker takes to take a silent process for dead and give its work to the other. */
const FROZEN_MS = 6_000;

/**
 * Which process reaches a point, and at which visit it must die there: not at the first, so that work is
 * under way.
 */
const VICTIMS = {
  G1: "gateway-1",
  G2: "gateway-1",
  G3: "gateway-1",
  G4: "gateway-1",
  G5: "gateway-1",
  W1: "worker-1",
  W2: "worker-1",
  W3: "worker-1",
  C1: "collector-1",
  C2: "collector-1",
  C3: "collector-1",
} as const satisfies Partial<Record<CrashPoint, string>>;
const POINTS = Object.keys(VICTIMS) as (keyof typeof VICTIMS)[];

async function expectKilled(component: Component): Promise<void> {
  expect([137, -9]).toContain(await component.untilEnded(REACHED_LIMIT_MS));
}

for (const point of POINTS)
  scenario(
    `a ${VICTIMS[point].slice(0, -2)} killed at ${point} loses nothing and bills nothing twice`,
    async ({ arm, stack }) => {
      // Requests are parked only while others wait.
      if (point === "G5") await stack.simulator.set({ ttft_ms: 1_000 });
      const victim = await arm(VICTIMS[point], { CRASH_AT: `${point}:5` });
      await expectKilled(victim);
      await Bun.sleep(300);
      if (point === "G5") await stack.simulator.set({ ttft_ms: 0 });
    },
  );

for (const points of [
  ["G2", "W1", "C1"],
  ["G3", "W3", "C2"],
] as const)
  scenario(
    `processes frozen at ${points.join(", ")} that come back as zombies change nothing`,
    async ({ arm }) => {
      const victims = await Promise.all(
        points.map((point) => arm(VICTIMS[point], { HANG_AT: `${point}:5` })),
      );
      await Promise.all(victims.map((victim) => victim.untilFrozen(REACHED_LIMIT_MS)));
      await Bun.sleep(FROZEN_MS);

      for (const victim of victims) victim.signal("SIGCONT");
      await Bun.sleep(500);
    },
  );

/** The gateway dies and leaves something behind; a keeper mends it and dies while it does. */
for (const { point, left } of [
  { point: "K1", left: "G2" },
  { point: "K2", left: "G1" },
] as const)
  scenario(
    `a keeper killed at ${point} is replaced, and nothing is mended twice`,
    async ({ arm }) => {
      const keepers = await Promise.all(
        ["collector-1", "collector-2"].map((name) => arm(name, { CRASH_AT: point })),
      );
      await expectKilled(await arm("gateway-1", { CRASH_AT: `${left}:5` }));

      // The other one takes over, and may die of the same duty.
      await Promise.race(keepers.map(expectKilled));
    },
  );
