import { describe, expect, test } from "bun:test";

import { HEALTHY } from "../../../core/queue/model-health.ts";
import { queuedOf, START_MS } from "../../../test/support/collector-world.ts";
import { createDispatchWorld as setUp } from "../../../test/support/dispatch-world.ts";

const { signal } = new AbortController();

const PAUSE = {
  cause: "unavailable",
  message: "status 503",
  sinceMs: START_MS,
  pauseMs: 1_000,
  untilMs: START_MS + 10_000,
  probe: null,
} as const;

describe("while nobody waits", () => {
  test("gateways may publish by themselves, each its part of what the workers can use", async () => {
    const { dispatcher, lane } = setUp({ limit: 8 });

    await dispatcher.run(signal);

    expect(lane()).toMatchObject({ mode: "direct", allowance: 4, ready: 0, parked: 0 });
    expect(dispatcher.everyMs).toBe(250);
  });

  test("and the queue is full, what comes is parked", async () => {
    const { dispatcher, lane, queue } = setUp({ limit: 2 });
    queue.push(queuedOf("a"), queuedOf("b"));

    await dispatcher.run(signal);

    expect(lane()).toMatchObject({ mode: "parked", allowance: 0 });
  });
});

describe("while requests are parked", () => {
  test("no more is published than the workers can use", async () => {
    const { dispatcher, park, published, lane } = setUp({ limit: 4 });
    await dispatcher.run(signal);
    park("flood", 100);

    await dispatcher.run(signal);
    await dispatcher.run(signal);

    expect(published).toHaveLength(4);
    expect(lane()?.mode).toBe("parked");
  });

  test("of many users with one each, all are published, and the next ones directly", async () => {
    const { dispatcher, park, published, lane } = setUp({ limit: 2_000 });
    await dispatcher.run(signal);
    for (let user = 0; user < 700; user += 1) park(`user${user}`, 1);

    await dispatcher.run(signal);

    expect(published).toHaveLength(700);
    expect(lane()).toMatchObject({ mode: "direct", allowance: 650 });
  });

  test("a lone request has the next turn, however many another user has", async () => {
    const { park, rounds, published, servedOf } = setUp({ limit: 4 });
    await rounds(1, 0);
    park("flood", 5_000);
    await rounds(50, 2);
    const before = published.length;

    park("lone", 1);
    await rounds(3, 2);

    expect(published.slice(before, before + 3)).toContain("lone-00000");
    expect(servedOf("flood")).toBeGreaterThan(90);
  });

  test("shares follow the weights of the tiers, by what was billed and not by estimates", async () => {
    const { park, rounds, ends } = setUp({ limit: 10, tiers: { gold: "gold" } });
    await rounds(1, 0);
    park("gold", 5_000, { tokens: 100 });
    park("basic", 5_000, { tokens: 100 });
    park("careless", 5_000, { tokens: 4_000 });

    await rounds(600, 5);

    const tokens = (userId: string): number =>
      [...ends].reduce((sum, [id, billed]) => sum + (id.startsWith(`${userId}-`) ? billed : 0), 0);
    const all = tokens("gold") + tokens("basic") + tokens("careless");
    expect(tokens("gold") / all).toBeCloseTo(0.6, 1);
    expect(tokens("basic") / all).toBeCloseTo(0.2, 1);
    expect(tokens("careless") / all).toBeCloseTo(0.2, 1);
  });

  test("what was published while calls were quick goes back to its place when they are slow", async () => {
    const { park, rounds, ends, parked, queue, servedOf } = setUp({ limit: 4 });
    await rounds(1, 0);
    park("flood", 100);
    await rounds(1, 0);
    queue.push(...Array.from({ length: 50 }, (_, index) => queuedOf(`quick-${index}`)));

    await rounds(1, 0);
    const cut = queue.length;
    park("lone", 1);
    await rounds(30, 1);

    expect(cut).toBe(4);
    expect(servedOf("lone")).toBe(1);
    expect(ends.size + queue.length + parked.size).toBe(151);
  });

  test("a queue somewhat longer than it should be is left alone", async () => {
    const { park, rounds, parked, queue } = setUp({ limit: 4 });
    await rounds(1, 0);
    park("a", 100);
    await rounds(1, 0);
    queue.push(...Array.from({ length: 2 }, (_, index) => queuedOf(`more-${index}`)));

    await rounds(2, 0);

    expect([queue.length, parked.size]).toEqual([6, 96]);
  });

  test("who was not heard of is found by the scan", async () => {
    const { park, rounds, servedOf } = setUp();
    await rounds(1, 1);
    park("quiet", 1, { isLost: true });

    await rounds(31, 1);

    expect(servedOf("quiet")).toBe(1);
  });

  test("many are found page by page, and what has its turn goes on between", async () => {
    const { park, rounds, published, lane } = setUp({ limit: 10_000 });
    for (let user = 0; user < 3_000; user += 1)
      park(`user${String(user).padStart(4, "0")}`, 1, { isLost: true });

    await rounds(1, 0);
    const [first, early] = [published.length, lane()?.mode];
    await rounds(2, 0);

    expect([first, early]).toEqual([2_000, "parked"]);
    expect([published.length, lane()?.mode]).toEqual([3_000, "direct"]);
  });

  test("all of it is worked off, and gateways publish by themselves again", async () => {
    const { park, rounds, parked, lane } = setUp();
    await rounds(1, 1);
    park("a", 40);
    park("b", 3);

    await rounds(100, 2);

    expect(parked.size).toBe(0);
    expect(lane()?.mode).toBe("direct");
  });

  test("what the broker did not confirm stays parked and goes later", async () => {
    const { dispatcher, park, rounds, parked, state, servedOf } = setUp();
    await rounds(1, 1);
    park("a", 3);
    state.fails = true;
    await dispatcher.run(signal).catch(() => {});
    expect(parked.size).toBe(3);

    state.fails = false;
    await rounds(40, 1);

    expect(servedOf("a")).toBe(3);
  });

  test("a dispatcher that dies between publish and delete publishes twice and loses nothing", async () => {
    const { world, dispatcher, park, rounds, published, servedOf } = setUp();
    await rounds(1, 1);
    park("a", 2);
    world.crash.at = "D2";
    await dispatcher.run(signal).catch(() => {});

    world.crash.at = null;
    await rounds(40, 1);

    expect(published.length).toBeGreaterThan(new Set(published).size);
    expect(servedOf("a")).toBe(2);
  });
});

describe("while the model is paused", () => {
  test("what lies in its queue goes back to its place, and nothing is published", async () => {
    const { dispatcher, queue, parked, state, published, lane } = setUp();
    queue.push({
      ...queuedOf("x"),
      attempt: 3,
      lastError: { code: "UPSTREAM_TIMEOUT", message: "m" },
    });
    state.health = { ...HEALTHY, pause: PAUSE };

    await dispatcher.run(signal);
    await dispatcher.run(signal);

    expect(parked.get("x")?.request).toMatchObject({ attempt: 3 });
    expect([queue.length, published.length]).toEqual([0, 0]);
    expect(lane()?.mode).toBe("parked");
  });

  test("one request is published when its probe is due, and no second one", async () => {
    const { park, rounds, published, state } = setUp();
    await rounds(1, 0);
    park("a", 5);
    state.health = { ...HEALTHY, pause: PAUSE };

    await rounds(90, 0);
    expect(published).toEqual([]);
    state.underWay = 1;
    await rounds(200, 1);

    expect(published).toHaveLength(1);
  });

  test("a probe whose request came to nothing gets another within seconds", async () => {
    const { park, rounds, published, state } = setUp();
    await rounds(1, 0);
    park("a", 5);
    state.health = { ...HEALTHY, pause: { ...PAUSE, untilMs: START_MS } };
    await rounds(1, 1);

    await rounds(35, 1);

    expect(published).toHaveLength(2);
  });

  test("by an operator, nothing probes it", async () => {
    const { park, rounds, published, pauses, lane } = setUp();
    await rounds(1, 0);
    park("a", 5);
    pauses.set("sim", { by: "ann", reason: "maintenance", atMs: START_MS });

    await rounds(200, 1);

    expect(published).toEqual([]);
    expect(lane()?.operatorPause?.by).toBe("ann");
  });
});

test("a user in trouble of their own is tried one request at a time, and delays nobody", async () => {
  const { park, rounds, servedOf, state, published } = setUp({ limit: 4 });
  await rounds(1, 0);
  const trouble = {
    trouble: "failing",
    message: "m",
    failures: 10,
    lastMs: START_MS,
    pauseMs: 60_000,
    pausedAtMs: START_MS,
    untilMs: START_MS + 60_000,
    probeUntilMs: 0,
  } as const;
  state.health = { pause: null, users: { ill: trouble }, well: {} };
  park("ill", 1_000);
  park("well", 100);

  await rounds(100, 2);

  expect(servedOf("well")).toBe(100);
  expect(published.filter((id) => id.startsWith("ill-"))).toEqual([]);
});
