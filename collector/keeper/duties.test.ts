import { describe, expect, test } from "bun:test";

import { pause } from "../../runtime/schedule.ts";
import { createWorld, finishOf, headOf, START_MS } from "../../test/support/collector-world.ts";
import type { AttemptMark } from "../../core/attempt/mark.ts";
import type { OrphanPorts, Process } from "../ports.ts";
import type { OverdueRetry } from "../../core/queue/parked.ts";
import { createExpire } from "./expire.ts";
import { createGauges } from "./gauges.ts";
import { createOrphans } from "./orphans.ts";
import { createRetention } from "./retention.ts";

const DAY_MS = 86_400_000;
const { signal } = new AbortController();

describe("orphaned holds", () => {
  /** One round of the duty, so long after the holds were taken. */
  function setUp(more: Partial<OrphanPorts & Process> = {}) {
    const world = createWorld();
    const ports = { ...world.ports, ...more };
    const orphans = createOrphans(ports, { everyMs: 5_000, orphanAfterMs: 30_000 });
    const run = async (heldForMs = 31_000): Promise<void> => {
      await world.clock.advance(heldForMs);
      await orphans.run(signal);
    };
    return { world, run };
  }

  test("a hold without any request is released", async () => {
    const { world, run } = setUp();
    world.hold(headOf("a"));

    await run();

    expect(world.quota.usedTokens("user-1")).toBe(0);
    expect(world.metric("keeper_actions_total", "hold_released")).toBe(1);
  });

  test("a walk through many keys rests nine times as long as a page took", async () => {
    const world = createWorld();
    let pages = 0;
    const orphans = createOrphans(
      {
        ...world.ports,
        scanHolds: async function* () {
          for (; pages < 2; pages += 1) {
            await pause(world.clock.schedule, 10, signal);
            yield [];
          }
        },
        standings: async () => [],
      },
      { everyMs: 5_000, orphanAfterMs: 30_000 },
    );

    const round = orphans.run(signal);
    await world.clock.advance(10 + 89 + 10);
    expect(pages).toBe(1);
    await world.clock.advance(1 + 100);
    await round;

    expect(pages).toBe(2);
  });

  test("a hold that is young stays: its row may not be committed yet", async () => {
    const { world, run } = setUp();
    world.hold(headOf("a"));

    await run(29_000);

    expect(world.quota.usedTokens("user-1")).toBe(100);
  });

  test("a keeper whose clock is ahead frees no young hold: the store's clock tells the age", async () => {
    const { world, run } = setUp({ now: () => START_MS + 300_000 });
    world.hold(headOf("a"));

    await run(1_000);

    expect(world.quota.usedTokens("user-1")).toBe(100);
  });

  test("a hold whose request has ended is settled with what the ledger says", async () => {
    const { world, run } = setUp();
    world.accept("a");
    const end = { ...finishOf("a"), attempts: 3 };
    await world.store.finishRequests([end]);

    await run();

    expect(world.quota.usedTokens("user-1")).toBe(30);
    expect(world.quota.failedExecutions("user-1")).toBe(2);
    expect(world.metric("keeper_actions_total", "hold_settled")).toBe(1);
  });

  test("a hold whose request is open stays", async () => {
    const { world, run } = setUp();
    world.accept("a");

    await run();

    expect(world.quota.usedTokens("user-1")).toBe(100);
  });

  test("a hold that somebody settles meanwhile, or that the scan meets twice, forgets no user", async () => {
    const { world, run } = setUp({
      scanHolds: async function* () {
        for await (const page of world.quota.scanHolds()) {
          yield page;
          yield page;
        }
      },
    });
    world.hold(headOf("a"));

    await run();

    expect(world.counts.settles).toBe(1);
    expect(world.quota.knownForMs("user-1")).toBeGreaterThan(2_000);
  });

  test("a keeper that dies after freeing a hold frees it once", async () => {
    const { world, run } = setUp();
    world.hold(headOf("a"));
    world.hold(headOf("b"));
    world.crash.at = "K2";
    await run().catch(() => {});

    world.crash.at = null;
    await run();

    expect(world.quota.usedTokens("user-1")).toBe(0);
    expect(world.counts.settles).toBe(2);
    expect(world.quota.knownForMs("user-1")).toBeGreaterThan(2_000);
  });
});

describe("overdue requests", () => {
  async function setUp(marks: Record<string, AttemptMark> = {}) {
    const world = createWorld();
    const retries: OverdueRetry[] = [];
    const unparked: string[] = [];
    world.accept("a", "b");
    await world.clock.advance(headOf("a").expiresAtMs - START_MS);
    const expire = createExpire(
      {
        ...world.ports,
        attemptMarks: async (refs) => refs.map(({ requestId }) => marks[requestId] ?? "none"),
        overdueRetries: async () =>
          retries.filter(({ requestId }) => !unparked.includes(requestId)),
        deleteParked: async (ids) => void unparked.push(...ids),
      },
      { everyMs: 1_000 },
    );
    return { world, expire, retries, unparked };
  }

  test("expire unbilled, give their holds back and wake who waits", async () => {
    const { world, expire } = await setUp();

    await expire.run(signal);
    await expire.run(signal);

    const end = { state: "expired", errorCode: "QUEUE_TTL_PASSED" } as const;
    expect([world.stateOf("a"), world.stateOf("b")]).toEqual([end, end]);
    expect(world.store.ledger()).toEqual([]);
    expect(world.quota.usedTokens("user-1")).toBe(0);
    expect(world.events).toEqual(["commit", "settle", "announce"]);
  });

  test.each(["under_way", "overdue", "between"] as const)(
    "are left to their worker when they have started: the mark says %s",
    async (mark) => {
      const { world, expire } = await setUp({ a: mark });

      await expire.run(signal);

      expect(world.stateOf("a")?.state).toBe("queued");
      expect(world.stateOf("b")?.state).toBe("expired");
    },
  );

  test("are parked no more", async () => {
    const { expire, unparked } = await setUp();

    await expire.run(signal);

    expect(unparked.toSorted()).toEqual(["a", "b"]);
  });

  test("that failed before and could not be called again end with what they met last", async () => {
    const { world, expire, retries } = await setUp({ a: "between", b: "between" });
    const lastError = { code: "UPSTREAM_TIMEOUT", message: "no reply" } as const;
    retries.push({ requestId: "a", userId: "user-1", attempts: 2, lastError });

    await expire.run(signal);

    const { state, errorCode } = world.stateOf("a") ?? {};
    expect([state, errorCode]).toEqual(["failed", "UPSTREAM_TIMEOUT"]);
    expect(world.metric("keeper_actions_total", "retry_given_up")).toBe(1);
  });
});

describe("retention", () => {
  function setUp(expiredKeys: number, readDays: readonly string[] = []) {
    const world = createWorld();
    const done: string[] = [];
    let keys = expiredKeys;
    const retention = createRetention(
      {
        ...world.ports,
        ensurePartitions: async () => void done.push("ensure"),
        partitionsBefore: async (beforeMs) => {
          done.push(`days before ${(START_MS - beforeMs) / DAY_MS} days ago`);
          return ["2026-10-01", "2026-10-02", "2026-10-03"];
        },
        dropPartition: async (day) => {
          done.push(`drop ${day}`);
          return readDays.includes(day) ? "read" : "dropped";
        },
        deleteStraysBefore: async () => void done.push("strays"),
        deleteIdempotencyKeysBefore: async (beforeMs, limit) => {
          const deleted = Math.min(keys, limit);
          keys -= deleted;
          done.push(`${deleted} keys of ${(START_MS - beforeMs) / DAY_MS} days ago`);
          return deleted;
        },
        deletePublishersBefore: async () => {
          done.push("publishers");
          return 0;
        },
      },
      { everyMs: 1_000, retentionDays: 30 },
    );
    return { retention, done, keysLeft: () => keys, metric: world.metric };
  }

  test("makes partitions before it drops any, and deletes keys in bounded bites", async () => {
    const { retention, done } = setUp(12_000);

    await retention.run(signal);

    expect(done).toEqual([
      "ensure",
      "days before 30 days ago",
      "drop 2026-10-01",
      "drop 2026-10-02",
      "drop 2026-10-03",
      "strays",
      "5000 keys of 7 days ago",
      "5000 keys of 7 days ago",
      "2000 keys of 7 days ago",
      "publishers",
    ]);
  });

  test("drops every other day although one is being read, and tries that one again soon", async () => {
    const { retention, done, metric } = setUp(0, ["2026-10-01"]);

    const failure = await Promise.resolve(retention.run(signal)).catch((error: Error) => error);

    expect(failure).toMatchObject({ message: expect.stringMatching(/being read.*: 2026-10-01$/) });
    expect(metric("keeper_actions_total", "partition_dropped")).toBe(2);
    expect(done.at(-1)).toBe("publishers");
    expect(retention.retryMs).toBe(120_000);
  });

  test("keeps up with a thousand keys a second", async () => {
    const { retention, keysLeft } = setUp(3_600_000);

    await retention.run(signal);

    expect(keysLeft()).toBe(0);
  });
});

test("the depths of outbox and queues are shown", async () => {
  const world = createWorld();
  const gauges = createGauges(
    {
      ...world.ports,
      outboxDepth: async () => 7,
      queueDepths: async () => [
        { queue: "inference_requests", kind: "model", model: "sim", ready: 3 },
      ],
    },
    { everyMs: 1_000 },
  );

  await gauges.run(signal);

  expect(world.metric("outbox_depth")).toBe(7);
  expect(world.metric("queue_depth", "inference_requests")).toBe(3);
});

test("a queue that is counted no longer shows nothing, not its last depth", async () => {
  const world = createWorld();
  let queues = ["inference_requests", "inference_requests.retry.1000"];
  const gauges = createGauges(
    {
      ...world.ports,
      outboxDepth: async () => 0,
      queueDepths: async () =>
        queues.map((queue) => ({ queue, kind: "wait" as const, model: null, ready: 4 })),
    },
    { everyMs: 1 },
  );
  await gauges.run(signal);

  queues = ["inference_requests"];
  await gauges.run(signal);

  expect(world.metric("queue_depth", "inference_requests")).toBe(4);
  expect(world.metric("queue_depth", "inference_requests.retry.1000")).toBe(0);
});

test("a collector that is no longer the keeper shows no old depths", async () => {
  const world = createWorld();
  const gauges = createGauges(
    {
      ...world.ports,
      outboxDepth: async () => 7,
      queueDepths: async () => [
        { queue: "inference_requests", kind: "model", model: "sim", ready: 9 },
      ],
    },
    { everyMs: 1 },
  );
  await gauges.run(new AbortController().signal);
  const whileKeeper = [
    world.metric("outbox_depth"),
    world.metric("queue_depth", "inference_requests"),
  ];

  gauges.end?.();

  expect(whileKeeper).toEqual([7, 9]);
  expect([world.metric("outbox_depth"), world.metric("queue_depth", "inference_requests")]).toEqual(
    [0, 0],
  );
});
