import { expect, test } from "bun:test";

import { untilIdle } from "../test/support/clock.ts";
import { answered, type FakeWorld, MODEL, startFakeWorld } from "../test/support/worker-world.ts";

const callOf = (world: FakeWorld, id: string) => {
  const call = world.calls.findLast(({ requestId }) => requestId === id);
  if (call === undefined) throw new Error(`the ML service was not called for ${id}`);
  return call;
};

test("a drain puts back what waits as new, in order, lets what runs finish, then closes", async () => {
  const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
  await world.deliver("a");
  for (const id of ["b", "c", "d"]) await world.deliver(id);

  const drained = world.worker.drain(10_000);
  await untilIdle();
  expect(world.events.slice(-7)).toEqual([
    "prefetch m 0",
    "again b",
    "again c",
    "again d",
    "ack b",
    "ack c",
    "ack d",
  ]);
  expect(world.worker.snapshot()).toMatchObject({ state: "draining", actors: { draining: 1 } });
  await callOf(world, "a").answer(answered);
  await drained;

  expect(world.events.slice(-3)).toEqual(["ack a", "stop listening", "close m"]);
  expect(world.clock.timerCount()).toBe(0);
  expect(world.worker.snapshot().state).toBe("stopped");
});

test("a drain requeues what cannot be published, and a suspect, whose count must stay", async () => {
  const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
  world.ports.publishAgain = () => Promise.reject(new Error("the broker is away"));
  await world.deliver("a");
  const waiting = await world.deliver("b");
  const suspect = await world.deliver("c", { deliveryCount: 2 });

  const drained = world.worker.drain(10_000);
  await untilIdle();
  await callOf(world, "a").answer(answered);
  await drained;

  expect([waiting.conclusions, suspect.conclusions]).toEqual([["requeue"], ["requeue"]]);
});

test("a drain does not wait beyond its grace for the broker to take what waits", async () => {
  const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
  world.ports.publishAgain = () => new Promise(() => {});
  await world.deliver("a");
  const waiting = await world.deliver("b");

  const drained = world.worker.drain(1_000);
  await untilIdle();
  await world.clock.advance(1_000);
  expect(waiting.conclusions).toEqual(["requeue"]);
  // Until then the attempt that outlasted the grace is offered to the broker.
  await world.clock.advance(700);
  await drained;

  expect(world.clock.timerCount()).toBe(0);
});

test("a drain puts back as new what outlasts the grace, without calling it a crash", async () => {
  const world = await startFakeWorld();
  const delivery = await world.deliver("a");

  const drained = world.worker.drain(10_000);
  await untilIdle();
  await world.clock.advance(10_000);
  await drained;

  expect(delivery.conclusions).toEqual(["ack"]);
  expect(world.events.slice(-5)).toEqual([
    "clear a after 0",
    "again a",
    "ack a",
    "stop listening",
    "close m",
  ]);
  expect(world.results).toEqual([]);
  expect(world.clock.timerCount()).toBe(0);
});

test("a drain requeues, with its count, what it aborted and workers may have died of", async () => {
  const world = await startFakeWorld();
  await world.killWorkersAt("crashed", 1);
  const crashed = await world.deliver("crashed", { deliveryCount: 1 });
  const suspect = await world.deliver("suspect", { deliveryCount: 2 });

  const drained = world.worker.drain(1_000);
  await untilIdle();
  await world.clock.advance(1_000);
  await drained;

  expect(crashed.conclusions).toEqual(["requeue"]);
  expect(suspect.conclusions).toEqual(["requeue"]);
  expect(world.events).not.toContain("again crashed");
  expect(world.events).not.toContain("again suspect");
});

test.each([
  ["refuses it", () => Promise.reject(new Error("the broker is away"))],
  ["does not answer", () => new Promise<void>(() => {})],
] as const)(
  "a drain requeues what it aborted within a second when the broker %s",
  async (_name, publishAgain) => {
    const world = await startFakeWorld();
    world.ports.publishAgain = publishAgain;
    const delivery = await world.deliver("a");

    const drained = world.worker.drain(1_000);
    await untilIdle();
    await world.clock.advance(1_999);
    await drained;

    expect(delivery.conclusions).toEqual(["requeue"]);
    expect(world.clock.timerCount()).toBe(0);
  },
);

test("what a lost channel aborted is not published anew: the broker delivers it again", async () => {
  const world = await startFakeWorld();
  const delivery = await world.deliver("a");

  delivery.loseChannel();
  await untilIdle();

  expect(world.events).not.toContain("again a");
  expect(world.worker.snapshot().owned).toBe(0);
});

test("a drain ends in time with a broker that is away", async () => {
  const world = await startFakeWorld();
  world.consumer.setPrefetch = () => Promise.reject(new Error("the broker is away"));
  world.consumer.close = () => Promise.reject(new Error("the broker is away"));
  world.ports.publishAgain = () => Promise.reject(new Error("the broker is away"));
  const delivery = await world.deliver("a");

  const drained = world.worker.drain(1_000);
  await untilIdle();
  await world.clock.advance(1_000);
  await drained;

  expect(delivery.conclusions).toEqual(["requeue"]);
  expect(world.worker.snapshot().state).toBe("stopped");
});

test("a drain lets go at once of what is of a newer version", async () => {
  const world = await startFakeWorld();
  await world.deliver("a", { unreadable: { isNewer: true } });

  await world.worker.drain(1_000);

  expect(world.events).toEqual([
    "prefetch m 0",
    "unchanged a",
    "ack a",
    "stop listening",
    "close m",
  ]);
  expect(world.clock.timerCount()).toBe(0);
});

test("a drain waits no longer than its grace for the broker to take newer messages", async () => {
  const world = await startFakeWorld();
  const delivery = await world.deliver("a", {
    unreadable: { isNewer: true },
    publishUnchanged: () => new Promise(() => {}),
  });

  const drained = world.worker.drain(1_000);
  await untilIdle();
  await world.clock.advance(1_000);
  await drained;

  expect(delivery.conclusions).toEqual(["requeue"]);
  expect(world.clock.timerCount()).toBe(0);
});

test("a drain takes nothing more, and asking twice is asking once", async () => {
  const world = await startFakeWorld();

  const first = world.worker.drain(1_000);
  const second = world.worker.drain(1_000);
  const late = await world.deliver("late");
  await first;

  expect(second).toBe(first);
  expect(late.conclusions).toEqual(["ack"]);
  expect(world.events).toContain("again late");
});
