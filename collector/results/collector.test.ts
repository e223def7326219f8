import { describe, expect, test } from "bun:test";

import { createWorld, headOf, resultOf } from "../../test/support/collector-world.ts";

const SOON_MS = 100;
/** Longer than the longest pause between two tries. */
const LATER_MS = 20_000;

describe("a batch", () => {
  test("is committed, then settled, then announced, and only then acked", async () => {
    const world = createWorld();
    world.accept("a", "b");
    await world.start();

    world.publish(resultOf("a"), resultOf("b"));
    await world.clock.advance(SOON_MS);

    expect(world.events).toEqual(["commit", "settle", "announce", "ack", "ack"]);
    expect(world.store.ledger()).toEqual([
      { requestId: "a", tokens: 30, failedExecutions: 0 },
      { requestId: "b", tokens: 30, failedExecutions: 0 },
    ]);
    expect(world.quota.usedTokens("user-1")).toBe(60);
    expect(world.announced).toEqual(["a", "b"]);
    expect(world.owned()).toBe(0);
  });

  test("is closed by its count without waiting for the time", async () => {
    const world = createWorld({ options: { batch_wait_ms: 1_000_000 } });
    world.accept("a", "b", "c", "d", "e");
    await world.start();

    world.publish(...["a", "b", "c", "d", "e"].map((id) => resultOf(id)));
    await world.clock.advance(0);

    expect(world.store.ledger()).toHaveLength(4);
    expect(world.owned()).toBe(1);
  });

  test("of few results waits for nobody; where many come, they wait for company", async () => {
    const world = createWorld({ options: { batch_wait_ms: 1_000 } });
    world.accept("a", "b", "c", "d", "e");
    await world.start();

    for (const id of ["a", "b", "c"]) {
      world.publish(resultOf(id));
      await world.clock.advance(0);
    }
    const endedAlone = world.store.ledger().length;
    world.publish(resultOf("d"));
    await world.clock.advance(999);
    world.publish(resultOf("e"));
    const endedBeforeTheWait = world.store.ledger().length;
    await world.clock.advance(1);

    expect([endedAlone, endedBeforeTheWait, world.store.ledger().length]).toEqual([3, 3, 5]);
    expect(world.counts.transactions).toBe(4);
  });

  test("is closed by its bytes: what PostgreSQL takes in one message is bounded", async () => {
    const world = createWorld();
    const result = new Uint8Array(10 * 1024 * 1024);
    world.accept("a", "b", "c");
    await world.start();

    world.publish(...["a", "b", "c"].map((id) => resultOf(id, { result })));
    await world.clock.advance(SOON_MS);

    expect(world.counts.transactions).toBe(3);
    expect(world.store.ledger()).toHaveLength(3);
    expect(world.owned()).toBe(0);
  });

  test("counts tokens, outcome and lag once per request", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();

    world.publish(resultOf("a"), resultOf("a"));
    await world.clock.advance(SOON_MS);

    expect(world.metric("ml_tokens_processed_total", "sim", "prompt")).toBe(10);
    expect(world.metric("ml_tokens_processed_total", "sim", "completion")).toBe(20);
    expect(world.metric("collector_results_total", "completed")).toBe(1);
    expect(world.metric("collector_results_total", "duplicate")).toBe(1);
    expect(world.metric("collector_settle_lag_seconds")).toBe(1);
  });

  test("whose announcement fails is acked all the same", async () => {
    const world = createWorld();
    world.accept("a");
    world.ports.announceFinished = () => Promise.reject(new Error("no subscribers"));
    await world.start();

    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    expect(world.owned()).toBe(0);
  });
});

describe("results that come late or twice", () => {
  test("a late result changes neither state nor ledger and is counted", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();
    const unstarted = { attempts: 0, usage: null, result: null };
    world.publish(resultOf("a", { ...unstarted, state: "cancelled" }));
    await world.clock.advance(SOON_MS);

    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    expect(world.stateOf("a")?.state).toBe("cancelled");
    expect(world.store.ledger()).toEqual([]);
    expect(world.quota.usedTokens("user-1")).toBe(0);
    expect(world.metric("collector_results_total", "late")).toBe(1);
    expect(world.owned()).toBe(0);
  });

  test("a duplicate of an earlier batch settles nothing and forgets no user", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();
    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    expect(world.counts.settles).toBe(1);
    expect(world.quota.knownForMs("user-1")).toBeGreaterThan(2_000);
    expect(world.store.ledger()).toHaveLength(1);
  });

  test("a result of a request that PostgreSQL does not know is acked and counted", async () => {
    const world = createWorld();
    await world.start();

    world.publish(resultOf("nobody"));
    await world.clock.advance(SOON_MS);

    expect(world.metric("collector_results_total", "unknown")).toBe(1);
    expect(world.owned()).toBe(0);
    expect(world.deadResults()).toEqual([]);
  });

  test("a request that ends without its hold makes Redis forget the user", async () => {
    const world = createWorld();
    world.accept("a");
    world.quota.loseHold(headOf("a"));
    await world.start();

    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    // Two seconds after its load a user is forgotten at once; until then it is known for so long.
    expect(world.quota.knownForMs("user-1")).toBeLessThanOrEqual(2_000);
  });
});

describe("a collector that dies", () => {
  test.each(["C1", "C2", "C3"] as const)(
    "at %s leaves one ledger row and one settle after the redelivery",
    async (point) => {
      const world = createWorld();
      world.accept("a", "b");
      await world.start();
      world.crash.at = point;
      world.publish(resultOf("a"), resultOf("b"));
      await world.clock.advance(SOON_MS);
      expect(world.conclusions).toEqual([]);

      await world.start();
      await world.clock.advance(SOON_MS);

      expect(world.store.ledger().map(({ requestId }) => requestId)).toEqual(["a", "b"]);
      expect(world.counts.settles).toBe(2);
      expect(world.quota.usedTokens("user-1")).toBe(60);
      expect(world.quota.knownForMs("user-1")).toBeGreaterThan(2_000);
      expect(world.owned()).toBe(0);
    },
  );
});

describe("drain", () => {
  test("finishes and acks what was taken, then closes", async () => {
    const world = createWorld({ options: { batch_wait_ms: 1_000_000 } });
    world.accept("a");
    const collector = await world.start();
    world.publish(resultOf("a"));

    await collector.drain();

    expect(world.events).toEqual(["commit", "settle", "announce", "ack"]);
  });

  test("takes nothing more", async () => {
    const world = createWorld();
    world.accept("a");
    const collector = await world.start();
    await collector.drain();

    world.publish(resultOf("a"));
    await world.clock.advance(LATER_MS);

    expect(world.waiting()).toHaveLength(1);
    expect(world.events).toEqual([]);
  });

  test("ends within the grace although PostgreSQL is away, and gives everything back", async () => {
    const world = createWorld();
    world.accept("a");
    world.postgres.isAway = true;
    const collector = await world.start();
    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    const drained = collector.drain();
    await world.clock.advance(10_000);
    await drained;

    expect(world.waiting()).toHaveLength(1);
    expect(world.owned()).toBe(0);
  });
});

test("the user of a result is the one PostgreSQL knows, whatever the message says", async () => {
  const world = createWorld();
  world.accept("a");
  await world.start();

  world.publish(resultOf("a", { head: headOf("a", "somebody-else") }));
  await world.clock.advance(SOON_MS);

  expect(world.quota.usedTokens("user-1")).toBe(30);
  expect(world.quota.usedTokens("somebody-else")).toBe(0);
});
