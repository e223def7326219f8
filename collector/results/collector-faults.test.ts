import { describe, expect, test } from "bun:test";

import {
  createWorld,
  headOf,
  queuedOf,
  resultOf,
  rowOf,
} from "../../test/support/collector-world.ts";

const SOON_MS = 100;
/** Longer than the longest pause between two tries. */
const LATER_MS = 20_000;

describe("a store that is away", () => {
  test("PostgreSQL: nothing is acked, at most the prefetch is taken, and later all is done", async () => {
    const world = createWorld({ prefetch: 6 });
    const ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    world.accept(...ids);
    world.postgres.isAway = true;
    await world.start();
    world.publish(...ids.map((id) => resultOf(id)));
    await world.clock.advance(60_000);
    expect(world.owned()).toBe(6);
    expect(world.conclusions).toEqual([]);
    // Two batches, tried again every few seconds at most, not in a tight loop.
    expect(world.counts.transactions).toBeLessThan(60);

    world.postgres.isAway = false;
    await world.clock.advance(LATER_MS);

    expect(world.store.ledger()).toHaveLength(8);
    expect(world.counts.settles).toBe(8);
    expect(world.owned() + world.waiting().length).toBe(0);
  });

  test("Redis: the commit stands, nothing is acked before the settle", async () => {
    const world = createWorld();
    world.accept("a");
    world.redis.isAway = true;
    await world.start();
    world.publish(resultOf("a"));
    await world.clock.advance(60_000);
    expect(world.store.ledger()).toHaveLength(1);
    expect(world.owned()).toBe(1);

    world.redis.isAway = false;
    await world.clock.advance(LATER_MS);

    expect(world.events).toEqual(["commit", "settle", "announce", "ack"]);
    expect(world.quota.usedTokens("user-1")).toBe(30);
  });

  test("a commit whose answer was lost is settled by the next try, and billed once", async () => {
    const world = createWorld();
    world.accept("a");
    world.postgres.repliesLost = 1;
    await world.start();

    world.publish(resultOf("a"));
    await world.clock.advance(LATER_MS);

    expect(world.store.ledger()).toHaveLength(1);
    expect(world.quota.usedTokens("user-1")).toBe(30);
    expect(world.owned()).toBe(0);
  });

  test("deliveries of a lost channel are dropped, and do not pile up while PostgreSQL is away", async () => {
    const world = createWorld({ prefetch: 4, options: { batch_results_max: 2 } });
    world.accept("a", "b", "c", "d");
    world.postgres.isAway = true;
    await world.start();
    world.publish(...["a", "b", "c", "d"].map((id) => resultOf(id)));
    await world.clock.advance(SOON_MS);

    world.broker.setAway(true);
    await world.clock.advance(LATER_MS);
    const tries = world.counts.transactions;
    await world.clock.advance(LATER_MS);

    expect(world.counts.transactions).toBe(tries);
    expect(world.waiting()).toHaveLength(4);
  });
});

describe("a user whose books in Redis are broken", () => {
  test("stops nobody: all is billed and acked, and who looks into the log is told", async () => {
    const world = createWorld();
    world.accept("a", "c");
    const other = headOf("b", "user-2");
    world.store.put(rowOf(other));
    world.hold(other);
    world.quota.damage("user-2");
    await world.start();

    world.publish(resultOf("a"), resultOf("b", { head: other }), resultOf("c"));
    await world.clock.advance(SOON_MS);

    expect(world.store.ledger()).toHaveLength(3);
    expect(world.quota.usedTokens("user-1")).toBe(60);
    expect(world.quota.knownForMs("user-1")).toBeGreaterThan(2_000);
    expect(world.quota.knownForMs("user-2")).toBe(0);
    expect(world.announced).toEqual(["a", "b", "c"]);
    expect(world.owned()).toBe(0);
    expect(world.logged.filter((line) => line.includes("./tollgate audit"))).toHaveLength(1);
  });
});

describe("a message that cannot be dealt with", () => {
  test("a result that cannot be stored goes to the dead letters; its request alone fails", async () => {
    const world = createWorld();
    world.accept("a", "b", "c", "d");
    world.store.poison.add("c");
    await world.start();

    world.publish(...["a", "b", "c", "d"].map((id) => resultOf(id)));
    await world.clock.advance(SOON_MS);

    const states = ["a", "b", "c", "d"].map((id) => world.stateOf(id)?.state);
    expect(states).toEqual(["completed", "completed", "failed", "completed"]);
    expect(world.stateOf("c")?.errorCode).toBe("RESULT_UNREADABLE");
    expect(world.deadResults()).toMatchObject([{ result: { head: { requestId: "c" } } }]);
    expect(world.quota.usedTokens("user-1")).toBe(90);
    expect(world.quota.failedExecutions("user-1")).toBe(1);
    expect(world.metric("collector_results_total", "unreadable")).toBe(1);
    expect(world.owned()).toBe(0);
  });

  test.each([
    ["result", "RESULT_UNREADABLE"],
    ["request", "PAYLOAD_UNREADABLE"],
  ] as const)("an unreadable %s that names its request fails the request", async (what, code) => {
    const world = createWorld();
    world.accept("a");
    await world.start();

    world.publishMessage({ kind: "unreadable", type: what, requestId: "a", isNewer: false });
    await world.clock.advance(SOON_MS);

    expect(world.stateOf("a")).toMatchObject({ state: "failed", errorCode: code });
    expect(world.quota.usedTokens("user-1")).toBe(0);
    expect(world.deadResults()).toHaveLength(1);
  });

  test("a message of a newer version waits for a newer collector and fails nothing", async () => {
    const world = createWorld();
    world.accept("a", "b");
    await world.start();

    world.publishMessage({ kind: "unreadable", type: "result", isNewer: true });
    world.publish(resultOf("b"));
    await world.clock.advance(4_000);
    expect(world.conclusions).toEqual(["ack"]);
    await world.clock.advance(60_000);

    expect(new Set(world.conclusions)).toEqual(new Set(["ack"]));
    expect(world.conclusions.length).toBeGreaterThan(10);
    expect(world.owned()).toBe(1);
    expect(world.deadResults()).toEqual([]);
    expect(world.stateOf("a")?.state).toBe("queued");
    expect(world.metric("collector_results_total", "unreadable")).toBe(0);
  });

  test("an unreadable message that names none only goes to the dead letters", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();

    world.publishMessage({ kind: "unreadable", type: "result", isNewer: false });
    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    expect(world.deadResults()).toHaveLength(1);
    expect(world.stateOf("a")?.state).toBe("completed");
    expect(world.owned()).toBe(0);
  });

  test("a request that kept crashing workers fails unbilled, and a copy is kept for people", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();

    world.publishMessage({ kind: "request", request: queuedOf("a") });
    await world.clock.advance(SOON_MS);

    expect(world.stateOf("a")).toMatchObject({
      state: "failed",
      errorCode: "WORKER_CRASHED",
    });
    expect(world.store.ledger()).toEqual([{ requestId: "a", tokens: 0, failedExecutions: 1 }]);
    expect(world.quota.usedTokens("user-1")).toBe(0);
    expect(world.deadRequests().map(({ head }) => head.requestId)).toEqual(["a"]);
    expect(world.events.at(-1)).toBe("ack");
  });

  test("a request given up after it had completed leaves no copy among the dead", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();
    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);

    world.publishMessage({ kind: "request", request: queuedOf("a") });
    await world.clock.advance(SOON_MS);

    expect(world.deadRequests()).toEqual([]);
    expect(world.stateOf("a")?.state).toBe("completed");
  });

  test("a batch that fails for a reason nobody knows is given back, slowly", async () => {
    const world = createWorld();
    world.accept("a");
    await world.start();
    world.crash.at = "C1";
    world.publish(resultOf("a"));
    await world.clock.advance(SOON_MS);
    expect(world.conclusions).toEqual([]);

    world.crash.at = null;
    await world.clock.advance(LATER_MS);

    expect(world.conclusions).toEqual(["requeue", "ack"]);
    expect(world.store.ledger()).toHaveLength(1);
  });
});
