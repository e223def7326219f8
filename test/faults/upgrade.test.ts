import { afterAll, expect } from "bun:test";
import { join } from "node:path";

import { migrate } from "../../adapters/postgres/migrate.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import type { Component } from "../../local/stack/component.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { type Scene, scenariosOnStack } from "./scenarios.ts";
import { type Build, makeNextBuild } from "./upgrade-build.ts";

/** Longer than a process keeps a message for a newer version before it goes round again. */
const ROUND_MS = 5_500;
const WAITS_FOR_NEWER = "messages wait for a newer version";

let next: Build | undefined;
const scenario = scenariosOnStack(async () => {
  next = await makeNextBuild();
  return {
    settings: {
      // Less than what waits, so that some messages are always in the queues and the keeper suspects no loss.
      worker: { prefetch: 20 },
      collector: { prefetch: 20 },
      // Collectors publish what is parked: where they are rolled before the workers, that waits for these.
      models: { "sim-chat": { concurrency_max: 500 } },
    },
  };
});
afterAll(() => next?.remove());

function nextFolder(): string {
  if (next === undefined) throw new Error("there is no next build");
  return next.folder;
}

/** Replaces processes one after the other; each ends in order. */
async function roll(components: readonly Component[], folder: string): Promise<void> {
  for (const component of components) {
    expect(await component.terminate()).toBe(0);
    component.useBuild(folder);
    await component.start();
  }
}

/** The processes that have left messages to a newer version. */
const namesWaiting = (stack: TestStack): string[] =>
  stack
    .components()
    .filter((component) => component.log().includes(WAITS_FOR_NEWER))
    .map(({ name }) => name);

const untilAccepted = ({ load }: Scene, more: number): Promise<void> => {
  const before = load.counts().acknowledged;
  return untilTrue("more is accepted", 10_000, () => load.counts().acknowledged > before + more);
};

/** How often messages of a queue went back to it. */
async function deliveryCounts({ books }: TestStack, queue: string): Promise<number[]> {
  const messages = await books.messages(queue);
  return messages.map(({ deliveryCount }) => deliveryCount);
}

scenario(
  "a release with a newer message version rolls out under load, readers first, and nothing waits",
  async (scene) => {
    const { stack } = scene;
    await untilAccepted(scene, 50);

    const applied = await migrate({
      url: stack.urls.postgres,
      directory: join(nextFolder(), "sql"),
    });
    expect(applied).toEqual([expect.stringContaining("_next.sql")]);
    await untilAccepted(scene, 50);
    await roll(stack.collectors, nextFolder());
    await roll(stack.workers, nextFolder());
    await roll(stack.gateways, nextFolder());
    await untilAccepted(scene, 50);

    expect(namesWaiting(stack)).toEqual([]);
  },
);

scenario(
  "after a rollback in the wrong order, messages that nobody can read wait unharmed for the newer release",
  async (scene) => {
    const { stack } = scene;
    await untilAccepted(scene, 50);

    await roll(stack.collectors, PROJECT_ROOT);
    await untilAccepted(scene, 50);
    await roll(stack.workers, PROJECT_ROOT);
    await Bun.sleep(ROUND_MS);
    await roll(stack.workers, PROJECT_ROOT);
    await roll(stack.collectors, PROJECT_ROOT);
    const readers = [...stack.workers, ...stack.collectors];
    expect(namesWaiting(stack)).toEqual(readers.map(({ name }) => name));
    // All that they had is in the queues now, at the end or the front.
    await Promise.all(readers.map((reader) => reader.terminate()));
    for (const queue of ["inference_requests", "inference_results"]) {
      const counts = await deliveryCounts(stack, queue);
      expect([queue, ...new Set(counts)]).toEqual([queue, 0]);
    }

    for (const reader of readers) reader.useBuild(nextFolder());
    await Promise.all(readers.map((reader) => reader.start()));
    await untilAccepted(scene, 50);
  },
  { ratePerSecond: 50 },
);

scenario("a rollback under load, gateways first, loses nothing", async (scene) => {
  const { stack } = scene;
  await untilAccepted(scene, 50);

  await roll(stack.gateways, PROJECT_ROOT);
  await untilTrue("the queues are empty", 10_000, async () =>
    Object.values(await stack.books.depths()).every((ready) => ready === 0),
  );
  await roll(stack.workers, PROJECT_ROOT);
  await roll(stack.collectors, PROJECT_ROOT);
  await untilAccepted(scene, 50);
});
