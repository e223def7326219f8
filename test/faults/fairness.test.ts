/** A user gets a share of a model while others wait too, however many requests anybody has. */
import { expect } from "bun:test";

import { untilTrue } from "../../local/stack/eventually.ts";
import type { Component } from "../../local/stack/component.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";
import { type Scene, scenariosOnStack } from "./scenarios.ts";

const MODEL = "sim-chat";
const AWAY = "away";
const SERVICE_MS = 200;
/** Of each of the two workers: 40 requests a second together. */
const CONCURRENCY = 4;
const CONTENDED_MS = 9_000;
/** Two services until it starts and two seconds more; then its own. */
const LONE_MS_MAX = 3 * SERVICE_MS + 2_000;
const REACHED_LIMIT_MS = 15_000;
/** Longer than PostgreSQL leaves the lock to a keeper that says nothing. */
const FROZEN_MS = 6_000;
const DISPATCHER_AWAY_MS_MAX = 12_000;

const scenario = scenariosOnStack(() =>
  Promise.resolve({
    ownSimulators: [AWAY],
    settings: {
      models: { [MODEL]: { concurrency_max: CONCURRENCY } },
      tiers: { gold: { weight: 2 } },
    },
  }),
);

/** The first user floods: nine of ten requests are theirs. */
const ONE_FLOODS = {
  ratePerSecond: 120,
  usersOf: async (stack: TestStack): Promise<TestUser[]> => {
    const [flooding, lone] = await Promise.all([stack.addUser(), stack.addUser()]);
    return [...Array.from({ length: 9 }, () => flooding), lone];
  },
  readEvery: 50,
} as const;
const isLone = (op: number): boolean => op % 10 === 9;

async function countParked({ books }: TestStack): Promise<number> {
  const [{ count }] = await books.database.run(
    "count what is parked",
    (sql) => sql<[{ count: number }]>`select count(*)::integer as count from parked`,
  );
  return count;
}

const untilParked = (stack: TestStack, count: number): Promise<void> =>
  untilTrue(`${count} requests are parked`, REACHED_LIMIT_MS, async () => {
    return (await countParked(stack)) >= count;
  });

/** Makes the model slow while `act` runs, so that requests wait; what waits is worked off fast afterwards. */
async function whileSlow({ stack }: Scene, act: () => Promise<void>): Promise<void> {
  await stack.simulator.set({ ttft_ms: SERVICE_MS });
  try {
    await act();
  } finally {
    await stack.simulator.set({ ttft_ms: 0 });
  }
}

scenario(
  "a user who floods a model delays a lone request of another by no more than a few services",
  (scene) =>
    whileSlow(scene, async () => {
      await untilParked(scene.stack, 300);
      await Bun.sleep(CONTENDED_MS);
    }),
  {
    ...ONE_FLOODS,
    groupOf: (op) => (isLone(op) ? "lone requests beside a flood" : undefined),
    waits: { "lone requests beside a flood": { p50MsMax: LONE_MS_MAX, msMax: 2 * LONE_MS_MAX } },
  },
);

const allWait = { fromMs: 0, toMs: 0 };
scenario(
  "users who all wait share a model by the weights of their tiers",
  (scene) =>
    whileSlow(scene, async () => {
      await untilParked(scene.stack, 300);
      allWait.fromMs = Date.now();
      await Bun.sleep(CONTENDED_MS);
      allWait.toMs = Date.now();
    }),
  {
    ratePerSecond: 150,
    usersOf: (stack) =>
      Promise.all([stack.addUser(), stack.addUser(), stack.addUser({ tier: "gold" })]),
    shares: { model: MODEL, weights: { 0: 1, 1: 1, 2: 2 }, within: () => allWait },
    readEvery: 50,
  },
);

const COLLECTORS = ["collector-1", "collector-2"];

/** All collectors die there, so that whoever dispatches does; returns the first that did. */
async function untilOneEnds(components: readonly Component[]): Promise<void> {
  await Promise.race(components.map((component) => component.untilEnded(REACHED_LIMIT_MS)));
}

for (const { point, nth } of [
  { point: "D1", nth: 3 },
  { point: "D2", nth: 3 },
] as const)
  scenario(
    `a dispatcher killed at ${point} while requests wait is replaced, and none is lost or billed twice`,
    (scene) =>
      whileSlow(scene, async () => {
        await untilParked(scene.stack, 100);
        const armed = await Promise.all(
          COLLECTORS.map((name) => scene.arm(name, { CRASH_AT: `${point}:${nth}` })),
        );
        await untilOneEnds(armed);
        await Bun.sleep(500);
      }),
    { ...ONE_FLOODS },
  );

scenario(
  "an intake killed at D3 between its commit and its acks parks nothing twice",
  async (scene) => {
    const { stack } = scene;
    await stack.component(`simulator-${AWAY}`).kill();
    const armed = await Promise.all(
      COLLECTORS.map((name) => scene.arm(name, { CRASH_AT: "D3:2" })),
    );
    await untilOneEnds(armed);
    await Bun.sleep(500);
    await stack.component(`simulator-${AWAY}`).start();
  },
  { ...ONE_FLOODS, modelOf: (op) => (op % 3 === 0 ? AWAY : MODEL) },
);

scenario(
  "a dispatcher that freezes and comes back as a zombie loses nothing, and others go on meanwhile",
  (scene) =>
    whileSlow(scene, async () => {
      await untilParked(scene.stack, 100);
      const armed = await Promise.all(
        COLLECTORS.map((name) => scene.arm(name, { HANG_AT: "D2:3" })),
      );
      const frozen = await Promise.any(
        armed.map(async (component) => {
          await component.untilFrozen(REACHED_LIMIT_MS);
          return component;
        }),
      );
      await Bun.sleep(FROZEN_MS);
      frozen.signal("SIGCONT");
      await Bun.sleep(500);
    }),
  {
    ...ONE_FLOODS,
    groupOf: (op) => (isLone(op) ? "lone requests while the dispatcher froze" : undefined),
    waits: { "lone requests while the dispatcher froze": { msMax: DISPATCHER_AWAY_MS_MAX } },
  },
);

scenario(
  "Redis is emptied and the queues are purged while thousands are parked, and none is lost",
  (scene) =>
    whileSlow(scene, async () => {
      const { stack } = scene;
      await untilParked(stack, 2_000);
      await stack.books.redis.run(({ client }) => client.flushdb());
      await Bun.sleep(1_000);
      const { broker, queues } = stack.books;
      for (const { name } of [queues.requestsOf(MODEL), queues.parking, queues.results])
        await broker.withChannel((channel) => channel.purgeQueue(name));
      await stack.books.redis.run(({ client }) => client.flushdb());
      expect(await countParked(stack)).toBeGreaterThan(1_000);
    }),
  { ...ONE_FLOODS, ratePerSecond: 400 },
);
