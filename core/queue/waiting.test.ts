import { describe, expect, test } from "bun:test";

import type { ModelLane } from "./lane.ts";
import { HEALTHY, type ModelHealth, type UserTrouble } from "./model-health.ts";
import {
  hindranceOf,
  type ModelFacts,
  type QueuedFacts,
  runnableOf,
  slowedUsersOf,
  whyWaiting,
  workersOf,
} from "./waiting.ts";

const NOW_MS = 1_000_000;

const lane: ModelLane = {
  mode: "parked",
  allowance: 0,
  ready: 6,
  parked: 100,
  ratePerSecond: 2,
  users: 4,
  weights: 5,
  operatorPause: null,
};
const facts = (more: Partial<ModelFacts> = {}): ModelFacts => ({
  isConfigured: true,
  lane,
  health: HEALTHY,
  atMs: NOW_MS,
  workers: { running: 2, able: 2 },
  ...more,
});
const place = { ownAhead: 3, attemptsMade: 0, lastError: null };
const request = (more: Partial<QueuedFacts> = {}): QueuedFacts => ({
  userId: "u",
  weight: 1,
  place,
  delayMs: 0,
  ...more,
});

const paused = (untilMs: number): ModelHealth => ({
  ...HEALTHY,
  pause: {
    cause: "refused",
    message: "the ML service rejects our key (401)",
    sinceMs: 0,
    pauseMs: 1_000,
    untilMs,
    probe: null,
  },
});
const trouble: UserTrouble = {
  trouble: "failing",
  message: "status 500",
  failures: 12,
  lastMs: NOW_MS - 1,
  pauseMs: 8_000,
  pausedAtMs: NOW_MS - 1,
  untilMs: NOW_MS + 7_500,
  probeUntilMs: 0,
};
const operatorPause = { by: "ada", reason: "upgrade", atMs: 1 };

describe("why a request waits", () => {
  test("is the user's own older requests, if any: each takes a round of everybody", () => {
    // 6 ready, and 3 rounds of 5 turns, at 2 a second.
    expect(whyWaiting(facts(), request())).toEqual({
      reason: "own_requests_ahead",
      ahead: 3,
      startsInSeconds: 11,
      lastError: null,
    });
  });

  test("is sooner over for a user of greater weight", () => {
    expect(whyWaiting(facts(), request({ weight: 2.5 })).startsInSeconds).toBe(6);
  });

  test("is the turns of others for the first of a user, behind what is in the queue", () => {
    const first = request({ place: { ...place, ownAhead: 0 } });

    expect(whyWaiting(facts(), first)).toMatchObject({
      reason: "fair_share",
      ahead: 6,
      startsInSeconds: 3,
    });
  });

  test("of one that is published is what else is in the queue", () => {
    expect(whyWaiting(facts(), request({ place: undefined }))).toMatchObject({
      reason: "fair_share",
      ahead: 5,
      startsInSeconds: 3,
    });
  });

  test("is known without an idea when it ends, where nothing has ended lately or nobody has looked", () => {
    const idle = facts({ lane: { ...lane, ratePerSecond: 0 } });
    const unknown = facts({ lane: undefined, workers: undefined });

    expect(whyWaiting(idle, request())).toMatchObject({ ahead: 3, startsInSeconds: null });
    expect(whyWaiting(unknown, request({ place: undefined }))).toEqual({
      reason: "fair_share",
      ahead: 0,
      startsInSeconds: null,
      lastError: null,
    });
  });

  test("is the delay after an attempt, which says when it is over", () => {
    expect(whyWaiting(facts(), request({ place: undefined, delayMs: 4_200 }))).toMatchObject({
      reason: "between_attempts",
      startsInSeconds: 5,
    });
  });

  test("is the user's own trouble while that lasts longer than the delay", () => {
    const ill = facts({ health: { ...HEALTHY, users: { u: trouble } } });
    const over = { ...ill, atMs: NOW_MS + 8_000 };

    expect(whyWaiting(ill, request({ delayMs: 4_000 }))).toMatchObject({
      reason: "user_paused",
      lastError: { code: "UPSTREAM_FAILED", message: "status 500" },
      startsInSeconds: null,
    });
    expect(whyWaiting(ill, request({ delayMs: 9_000 })).reason).toBe("between_attempts");
    expect(whyWaiting(over, request()).reason).toBe("user_paused");
    expect(whyWaiting(ill, request({ userId: "other" })).reason).toBe("own_requests_ahead");
  });

  test("is what keeps the model from being called, before everything else", () => {
    const ill = { users: { u: trouble } };
    const reasonOf = (more: Partial<ModelFacts>): string =>
      whyWaiting(facts(more), request({ delayMs: 60_000 })).reason;
    const everything = {
      isConfigured: false,
      lane: { ...lane, operatorPause },
      workers: { running: 2, able: 0 },
      health: { ...paused(NOW_MS + 1), ...ill },
    };

    expect(reasonOf(everything)).toBe("model_removed");
    expect(reasonOf({ ...everything, isConfigured: true })).toBe("model_paused");
    expect(reasonOf({ ...everything, isConfigured: true, lane })).toBe("no_worker");
    expect(reasonOf({ health: everything.health })).toBe("model_unavailable");
  });

  test("is the model's last error where it is unavailable, in our words", () => {
    expect(whyWaiting(facts({ health: paused(NOW_MS + 9_000) }), request())).toEqual({
      reason: "model_unavailable",
      ahead: 3,
      startsInSeconds: null,
      lastError: { code: "UPSTREAM_REFUSED", message: "the ML service rejects our key (401)" },
    });
  });

  test("is that no worker runs, unless the model is down, which says more", () => {
    const workers = { running: 0, able: 0 };

    expect(whyWaiting(facts({ workers }), request()).reason).toBe("no_worker");
    expect(whyWaiting(facts({ workers, health: paused(0) }), request()).reason).toBe(
      "model_unavailable",
    );
  });
});

describe("what keeps a model from being called", () => {
  test("is nothing while it can be, also where no worker runs yet: one will be woken", () => {
    expect(hindranceOf(facts())).toBeNull();
    expect(hindranceOf(facts({ workers: { running: 0, able: 0 } }))).toBeNull();
    expect(hindranceOf(facts({ workers: undefined, lane: undefined }))).toBeNull();
  });

  test("is that the workers that run lack its key, or do not know it", () => {
    const note = (models: Record<string, "key_missing" | null>) => ({
      workerId: "w",
      host: "h",
      atMs: 1,
      models: Object.fromEntries(
        Object.entries(models).map(([name, problem]) => [
          name,
          { problem, limit: 1, underWay: 0, ended: 0 },
        ]),
      ),
    });
    const notes = [note({ a: "key_missing", b: null }), note({ a: "key_missing", b: null })];
    const reasonOf = (model: string) =>
      hindranceOf(facts({ workers: workersOf(notes, model) }))?.reason;

    expect([reasonOf("a"), reasonOf("b"), reasonOf("constructor")]).toEqual([
      "no_worker",
      undefined,
      "no_worker",
    ]);
  });
});

describe("what could run", () => {
  const waiting = { requests: 50, tokens: 1_010, oldestCreatedAtMs: 7 };
  const nothing = { requests: 0, tokens: 0, oldestCreatedAtMs: null };
  const one = { requests: 1, tokens: 21, oldestCreatedAtMs: null };

  test("is everything of a model that can be called, also while no worker runs", () => {
    expect(runnableOf(waiting, facts(), [])).toEqual(waiting);
    expect(runnableOf(waiting, facts({ workers: { running: 0, able: 0 } }), [])).toEqual(waiting);
  });

  test("is nothing of one that is paused, removed, or unavailable and not due for its probe", () => {
    const all = [
      facts({ lane: { ...lane, operatorPause }, health: paused(NOW_MS) }),
      facts({ isConfigured: false }),
      facts({ health: paused(NOW_MS + 1) }),
    ];

    expect(all.map((each) => runnableOf(waiting, each, []))).toEqual([nothing, nothing, nothing]);
  });

  test("is one request of a model that is to be probed, and none where none waits", () => {
    const due = facts({ health: paused(NOW_MS) });

    expect(runnableOf(waiting, due, [])).toEqual(one);
    expect(runnableOf({ ...waiting, requests: 0, tokens: 0 }, due, []).requests).toBe(0);
  });

  test("is one request where the workers lack something, so that one stays to say so", () => {
    expect(runnableOf(waiting, facts({ workers: { running: 3, able: 0 } }), [])).toEqual(one);
  });

  test("is one request of what each user in trouble of their own has parked", () => {
    const slowed = [
      { requests: 30, tokens: 600 },
      { requests: 0, tokens: 0 },
      { requests: 10, tokens: 200 },
    ];

    expect(runnableOf(waiting, facts(), slowed)).toEqual({
      requests: 12,
      tokens: 250,
      oldestCreatedAtMs: 7,
    });
    expect(runnableOf(waiting, facts(), [{ requests: 99, tokens: 9_999 }])).toMatchObject({
      requests: 0,
      tokens: 0,
    });
  });

  test("is slowed by users whose lane is paused or on trial, and by no others", () => {
    const users = {
      paused: trouble,
      onTrial: { ...trouble, untilMs: NOW_MS - 1 },
      failedOnce: { ...trouble, pauseMs: 0 },
    };

    expect(slowedUsersOf(facts({ health: { ...HEALTHY, users } }))).toEqual(["paused", "onTrial"]);
  });
});
