import { expect, test } from "bun:test";

import { createWorld } from "../../test/support/collector-world.ts";
import type { AttemptMark } from "../../core/attempt/mark.ts";
import { createRepublish } from "./republish.ts";

const AFTER_MS = 60_000;
const { signal } = new AbortController();

function setUp(ids: string[]) {
  const world = createWorld();
  const marks = new Map<string, AttemptMark>();
  const delays = new Map<string, number>();
  const state = { ready: 0, other: 0, results: 0, dead: 0, pageMax: 100 };
  world.accept(...ids);
  const duty = createRepublish(
    {
      ...world.ports,
      queueDepths: async () => [
        { queue: "inference_requests", kind: "model", model: "sim", ready: state.ready },
        {
          queue: "inference_requests.model.other",
          kind: "model",
          model: "other",
          ready: state.other,
        },
        { queue: "inference_results", kind: "shared", model: null, ready: state.results },
        { queue: "inference_requests.dead", kind: "dead", model: null, ready: state.dead },
      ],
      queuedBefore: (createdBeforeMs, models, after, limit) =>
        world.store.queuedBefore(createdBeforeMs, models, after, Math.min(limit, state.pageMax)),
      attemptMarks: async (refs) => refs.map(({ requestId }) => marks.get(requestId) ?? "none"),
      delayedUntil: async (refs) => refs.map(({ requestId }) => delays.get(requestId) ?? 0),
    },
    { everyMs: 1_000, republishAfterMs: AFTER_MS },
  );
  /** One round a second. */
  const rounds = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      await world.clock.advance(1_000);
      await duty.run(signal);
    }
  };
  return { world, published: world.publishedRequests, marks, delays, state, rounds };
}

test("requests that are in no queue are published again, once", async () => {
  const { published, rounds, state } = setUp(["a", "b"]);
  state.dead = 3;

  await rounds(70);
  expect(published()).toEqual(["a", "b"]);

  await rounds(50);
  expect(published()).toEqual(["a", "b"]);
});

test("a request that is lost again is published again, but not before its time is over", async () => {
  const { published, rounds } = setUp(["a"]);

  await rounds(70);
  await rounds(70);

  expect(published()).toEqual(["a", "a"]);
});

test("a backlog is left alone however long it waits", async () => {
  const { published, rounds, state } = setUp(["a", "b"]);
  state.ready = 1_000_000;

  await rounds(1_000);

  expect(published()).toEqual([]);
});

test("a backlog is left alone although the queues were empty before it came", async () => {
  const { published, rounds, state } = setUp(["a"]);
  await rounds(10);
  state.ready = 1_000_000;

  await rounds(500);

  expect(published()).toEqual([]);
});

test("one count of zero by a broker that just restarted proves nothing", async () => {
  const { published, rounds, state } = setUp(["a"]);
  await rounds(10);
  state.ready = 1_000_000;
  await rounds(100);

  state.ready = 0;
  await rounds(1);
  state.ready = 1_000_000;
  await rounds(100);

  expect(published()).toEqual([]);
});

test("a request that a worker has begun is not published again", async () => {
  const { published, rounds, marks } = setUp(["a", "b"]);
  marks.set("a", "under_way");

  await rounds(70);

  expect(published()).toEqual(["b"]);
});

test("a request in a delay queue unknown here is not published again before it is overdue", async () => {
  const { world, published, rounds, marks, delays } = setUp(["a", "b"]);
  marks.set("a", "between");
  delays.set("a", world.clock.now() + 200_000);
  marks.set("b", "between");
  delays.set("b", world.clock.now() - 60_000);

  await rounds(70);
  expect(published()).toEqual(["b"]);
  await rounds(180);
  expect(published()).not.toContain("a");

  await rounds(140);
  expect(published()).toContain("a");
});

test("a request that a worker began too long ago has lost its result and is published again", async () => {
  const { published, rounds, marks } = setUp(["a"]);
  marks.set("a", "overdue");

  await rounds(70);

  expect(published()).toEqual(["a"]);
});

test("a long list of lost requests is published in bounded rounds, each request once", async () => {
  const ids = Array.from({ length: 30 }, (_, index) => `r${String(index).padStart(2, "0")}`);
  const { published, rounds, state } = setUp(ids);
  state.pageMax = 2;

  await rounds(63);
  expect(published().length).toBeLessThanOrEqual(10);
  // What was published waits in the queue now, and the walk goes on all the same.
  state.ready = published().length;
  await rounds(10);

  expect(published()).toEqual(ids);
});

test("a model that is paused, and whose queue is never empty, hides no loss of another", async () => {
  const { published, rounds, state } = setUp(["a"]);
  state.other = 5;

  await rounds(70);

  expect(published()).toEqual(["a"]);
});

test("nothing is published again while results wait for a collector", async () => {
  const { published, rounds, state } = setUp(["a"]);
  state.results = 1;

  await rounds(200);

  expect(published()).toEqual([]);
});
