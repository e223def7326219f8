import { expect } from "bun:test";

import { untilTrue } from "../../local/stack/eventually.ts";
import { scenariosOnStack } from "./scenarios.ts";

const scenario = scenariosOnStack();

const ROLES = ["gateways", "workers", "collectors"] as const;

for (const role of ROLES)
  scenario(`all ${role} killed at once lose nothing`, async ({ stack, load }) => {
    await untilTrue("the load runs", 5_000, () => load.counts().acknowledged > 50);

    await Promise.all(stack[role].map((component) => component.kill()));
    await Bun.sleep(300);
    await Promise.all(stack[role].map((component) => component.start()));
    await Bun.sleep(500);
  });

for (const role of ROLES)
  scenario(
    `one of the ${role} is told to stop under load, exits in order and loses nothing`,
    async ({ stack, load }) => {
      await untilTrue("the load runs", 5_000, () => load.counts().acknowledged > 50);

      const [leaving] = stack[role];
      expect(await leaving?.terminate()).toBe(0);
      await Bun.sleep(300);
    },
  );

scenario(
  "one of each role is told to stop twice, exits at once in the middle of its work and loses nothing",
  async ({ stack, load }) => {
    await stack.simulator.set({ ttft_ms: 300 });
    await untilTrue("the load runs", 5_000, () => load.counts().acknowledged > 50);

    for (const role of ROLES) {
      const [leaving] = stack[role];
      leaving?.signal("SIGTERM");
      leaving?.signal("SIGTERM");
      await leaving?.untilEnded(1_500);
    }
    await stack.simulator.set({ ttft_ms: 0 });
  },
  { ratePerSecond: 50 },
);

scenario("a worker is killed again and again", async ({ stack }) => {
  for (let time = 0; time < 3; time += 1) {
    const victim = stack.workers[time % 2];
    await victim?.kill();
    await victim?.start();
  }
});
