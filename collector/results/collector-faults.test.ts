import { describe, expect, test } from "bun:test";

import { createWorld, queuedOf, resultOf } from "../../test/support/collector-world.ts";

const SOON_MS = 100;
/** Longer than the longest pause between two tries. */
const LATER_MS = 20_000;

describe("a store that is away", () => {
  test("PostgreSQL: nothing is acked, at most the prefetch is taken, and later all is done", async () => {
    const world = createWorld({ prefetch: 6 });
    const ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    world.accept(...ids);
    world.postgres.isDown = true;
    await world.start();
    world.publish(...ids.map((id) => resultOf(id)));
    await world.clock.advance(60_000);
    expect(world.broker.unacked()).toBe(6);
    expect(world.broker.settled).toEqual([]);
    // Two batches, tried again every few seconds at most, not in a tight loop.
    expect(world.postgres.transactions).toBeLessThan(60);

    world.postgres.isDown = false;
    await world.clock.advance(LATER_MS);

    expect(world.postgres.ledger).toHaveLength(8);
    expect(world.redis.settles).toBe(8);
    expect(world.broker.unacked() + world.broker.ready.length).toBe(0);
  });

  test("Redis: the commit stands, nothing is acked before the settle", async () => {
    const world = createWorld();
    world.accept("a");
    world.redis.isDown = true;
    await world.start();
    world.publish(resultOf("a"));
    await world.clock.advance(60_000);
    expect(world.postgres.ledger).toHaveLength(1);
    expect(world.broker.unacked()).toBe(1);

    world.redis.isDown = false;
    await world.clock.advance(LATER_MS);

    expect(world.events).toEqual(["commit", "settle", "announce", "ack"]);
    expect(world.redis.used.get("user-1")).toBe(30);
  });

  test("a commit whose answer was lost is settled by the next try, and billed once", async () => {
    const world = createWorld();
    world.accept("a");
    world.postgres.answersLost = 1;
    await world.start();

    world.publish(resultOf("a"));
    await world.clock.advance(LATER_MS);

    expect(world.postgres.ledger).toHaveLength(1);
    expect(world.redis.used.get("user-1")).toBe(30);
    expect(world.broker.unacked()).toBe(0);
  });

  test("deliveries of a lost channel are dropped, and do not pile up while PostgreSQL is away", async () => {
    const world = createWorld({ prefetch: 4, options: { batch_results_max: 2 } });
    world.accept("a", "b", "c", "d");
    world.postgres.isDown = true;
    await world.start();
    world.publish(...["a", "b", "c", "d"].map((id) => resultOf(id)));
    await world.clock.advance(SOON_MS);

    world.broker.loseChannel();
    await world.clock.advance(LATER_MS);
    const tries = world.postgres.transactions;
    await world.clock.advance(LATER_MS);

    expect(world.postgres.transactions).toBe(tries);
    expect(world.broker.ready).toHaveLength(4);
  });
});

describe("a user whose books in Redis are broken", () => {
  test("stops nobody: all is billed and acked, and who looks into the log is told", async () => {
    const world = createWorld();
    world.accept("a", "b", "c");
    const { head } = resultOf("b");
    const other = { ...head, userId: "user-2" };
    world.postgres.requests.set("b", { head: other, state: "queued", errorCode: null });
    world.redis.broken.add("user-2");
    await world.start();

    world.publish(resultOf("a"), resultOf("b", { head: other }), resultOf("c"));
    await world.clock.advance(SOON_MS);

    expect(world.postgres.ledger).toHaveLength(3);
    expect(world.redis.used.get("user-1")).toBe(160);
    expect([...world.redis.forgotten]).toEqual(["user-2"]);
    expect(world.announced).toEqual(["a", "b", "c"]);
    expect(world.broker.unacked()).toBe(0);
    expect(world.logged.filter((line) => line.includes("./tollgate audit"))).toHaveLength(1);
  });
});

describe("a message that cannot be dealt with", () => {
  test("a result that cannot be stored goes to the dead letters; its request alone fails", async () => {
    const world = createWorld();
    world.accept("a", "b", "c", "d");
    world.postgres.poison.add("c");
    await world.start();

    world.publish(...["a", "b", "c", "d"].map((id) => resultOf(id)));
    await world.clock.advance(SOON_MS);

    const states = [...world.postgres.requests.values()].map(({ state }) => state);
    expect(states).toEqual(["completed", "completed", "failed", "completed"]);
    expect(world.postgres.requests.get("c")?.errorCode).toBe("RESULT_UNREADABLE");
    expect(world.broker.dead).toMatchObject([{ result: { head: { requestId: "c" } } }]);
    expect(world.redis.used.get("user-1")).toBe(90);
    expect(world.metric("collector_results_total", "unreadable")).toBe(1);
    expect(world.broker.unacked()).toBe(0);
  });

  test.each([
    ["result", "RESULT_UNREADABLE"],
    ["request", "PAYLOAD_UNREADABLE"],
  ] as const)("an unreadable %s that names its request fails the request", async (what, code) => {
    const world = createWorld();
    world.accept("a");
    await world.start();

    world.broker.publish({ kind: "unreadable", what, requestId: "a", reason: "a header" });
    await world.clock.advance(SOON_MS);

    expect(world.postgres.requests.get("a")).toMatchObject({ state: "failed", errorCode: code });
    expect(world.redis.used.get("user-1")).toBe(0);
    expect(world.broker.dead).toHaveLength(1);
  });

  test("a message of a newer version waits for a newer collector and fails nothing", async () => {
    const world = createWorld();
    world.accept("a", "b");
    await world.start();

    world.broker.publish({ kind: "newer", reason: "header version" });
    world.publish(resultOf("b"));
    await world.clock.advance(4_000);
    expect(world.broker.settled).toEqual(["ack"]);
    await world.clock.advance(60_000);

    expect(new Set(world.broker.settled)).toEqual(new Set(["ack"]));
    expect(world.broker.settled.length).toBeGreaterThan(10);
    expect(world.broker.unacked()).toBe(1);
    expect(world.broker.dead).toEqual([]);
    expect(world.postgres.requests.get("a")?.state).toBe("queued");
    expect(world.metric("collector_results_total", "unreadable")).toBe(0);
  });

  test("an unreadable message that names none only goes to the dead letters", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();

    world.broker.publish({ kind: "unreadable", what: "result", reason: "no message id" });
    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    expect(world.broker.dead).toHaveLength(1);
    expect(world.postgres.requests.get("a")?.state).toBe("completed");
    expect(world.broker.unacked()).toBe(0);
  });

  test("a request that kept crashing workers fails, unbilled, and a copy is kept for people", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();

    world.broker.publish({ kind: "poisoned-request", request: queuedOf("a") });
    await world.clock.advance(SOON_MS);

    expect(world.postgres.requests.get("a")).toMatchObject({
      state: "failed",
      errorCode: "WORKER_CRASHED",
    });
    expect(world.postgres.ledger).toEqual([]);
    expect(world.redis.used.get("user-1")).toBe(0);
    expect(world.deadRequests.map(({ head }) => head.requestId)).toEqual(["a"]);
    expect(world.events.at(-1)).toBe("ack");
  });

  test("a request given up after it had completed leaves no copy among the dead", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();
    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    world.broker.publish({ kind: "poisoned-request", request: queuedOf("a") });
    await world.clock.advance(SOON_MS);

    expect(world.deadRequests).toEqual([]);
    expect(world.postgres.requests.get("a")?.state).toBe("completed");
  });

  test("a batch that fails for a reason nobody knows is given back, slowly", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();
    world.crash.at = "C1";
    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);
    expect(world.broker.settled).toEqual([]);

    world.crash.at = null;
    await world.clock.advance(LATER_MS);

    expect(world.broker.settled).toEqual(["requeue", "ack"]);
    expect(world.postgres.ledger).toHaveLength(1);
  });
});
