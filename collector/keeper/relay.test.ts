import { expect, test } from "bun:test";

import type { HoldFate } from "../../core/quota/quota.ts";
import { createWorld, GATEWAY, headOf, rowOf } from "../../test/support/collector-world.ts";
import { createRelay } from "./relay.ts";

const SILENT_MS = 5_000;
const { signal } = new AbortController();

/** A gateway that has been silent for a minute, and whose requests the broker has not confirmed. */
async function setUp({ fates = {}, keyed = [], pageMax = 100, ids = ["a", "b", "c"] }: SetUp = {}) {
  const world = createWorld();
  const { store } = world;
  const note = { publisherId: GATEWAY, host: "h", confirmedThrough: "", unconfirmed: ids.length };
  await store.notePublisher(note);
  for (const id of ids) {
    const idempotency = { keyHash: Buffer.from(id), fingerprint: Buffer.from(id) };
    store.put(rowOf(headOf(id), keyed.includes(id) ? { idempotency } : {}));
    world.hold(headOf(id));
  }
  store.agePublisher(GATEWAY, 60_000);
  const relay = createRelay(
    {
      ...world.ports,
      outboxOfDeadPublishers: (silentMs, limit) =>
        store.outboxOfDeadPublishers(silentMs, Math.min(limit, pageMax)),
      holdFates: async (refs) => refs.map(({ requestId }) => fates[requestId] ?? "held"),
    },
    { everyMs: 1_000, silentMs: SILENT_MS },
  );
  /** Ids in the outbox; undefined when the gateway counts as done. */
  const outbox = async (): Promise<string[] | undefined> => {
    const [found] = await store.outboxOfDeadPublishers(SILENT_MS, 100);
    return found?.entries.map(({ request }) => request.head.requestId);
  };
  return { world, relay, outbox, published: world.publishedRequests };
}

interface SetUp {
  fates?: Record<string, HoldFate>;
  keyed?: string[];
  pageMax?: number;
  ids?: string[];
}

test("what a dead gateway had not seen confirmed is published once, over as many rounds as run", async () => {
  const { relay, published, outbox } = await setUp();

  await relay.run(signal);
  await relay.run(signal);

  expect(published()).toEqual(["a", "b", "c"]);
  expect(await outbox()).toBeUndefined();
});

test("an outbox larger than a page is relayed page by page", async () => {
  const { relay, published, outbox } = await setUp({ pageMax: 2, ids: ["a", "b", "c", "d", "e"] });

  await relay.run(signal);

  expect(published()).toEqual(["a", "b", "c", "d", "e"]);
  expect(await outbox()).toBeUndefined();
});

test("a keeper that dies after publishing publishes again: a duplicate, not a loss", async () => {
  const { world, relay, published, outbox } = await setUp();
  world.crash.at = "K1";
  await relay.run(signal).catch(() => {});
  expect(await outbox()).toEqual(["a", "b", "c"]);

  world.crash.at = null;
  await relay.run(signal);

  expect(published()).toEqual(["a", "b", "c", "a", "b", "c"]);
});

test("nothing is noted while the broker is away, and all is relayed when it is back", async () => {
  const { world, relay, published, outbox } = await setUp();
  world.broker.setAway(true);
  const failure: unknown = await relay.run(signal).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  expect(await outbox()).toEqual(["a", "b", "c"]);

  world.broker.setAway(false);
  await relay.run(signal);

  expect(published()).toEqual(["a", "b", "c"]);
  expect(world.metric("keeper_actions_total", "relayed")).toBe(3);
});

test("a request whose hold was released by a refusal is cancelled instead of run", async () => {
  const { world, relay, published } = await setUp({ fates: { b: "gone" } });
  world.quota.loseHold(headOf("b"));

  await relay.run(signal);

  expect(published()).toEqual(["a", "c"]);
  expect(world.stateOf("b")).toMatchObject({
    state: "cancelled",
    errorCode: "CANCELLED",
  });
  expect(world.store.ledger()).toEqual([]);
});

test("a request is relayed when Redis cannot say what became of its hold", async () => {
  const { relay, published } = await setUp({ fates: { a: "unknown", b: "unknown", c: "unknown" } });

  await relay.run(signal);

  expect(published()).toEqual(["a", "b", "c"]);
});

test("a request named by an Idempotency-Key is relayed even without its hold", async () => {
  const { relay, published } = await setUp({ fates: { b: "gone" }, keyed: ["b"] });

  await relay.run(signal);

  expect(published()).toEqual(["a", "b", "c"]);
});
