import { describe, expect, test } from "bun:test";

import { HEALTHY } from "../../core/queue/model-health.ts";
import {
  AT_MS,
  config,
  PAUSED,
  readingsOf,
  waiting,
  WORKER,
} from "../../test/support/status-samples.ts";
import { modelStatuses, type ModelStatus } from "./model-states.ts";
import type { Readings } from "./reading.ts";
import { conditionsOf } from "./conditions.ts";

const conditionsIn = (readings: Readings) =>
  conditionsOf(readings, modelStatuses(readings, config), config);

const modelIn = (readings: Readings, model: string): ModelStatus => {
  const found = modelStatuses(readings, config).find((one) => one.model === model);
  if (found === undefined) throw new Error(`no ${model}`);
  return found;
};

describe("the state of a model", () => {
  test("is ok while workers call it, with what waits and when the last of it starts", () => {
    const readings = readingsOf({
      store: { waiting: [waiting("fast", 64, 9_000)], parked: new Map([["fast", 50]]) },
      broker: { ready: new Map([["fast", 10]]) },
    });

    expect(modelIn(readings, "fast")).toMatchObject({
      state: "ok",
      cause: null,
      open: 64,
      parked: 50,
      ready: 10,
      oldestMs: 9_000,
      ratePerSecond: 5,
      lastStartsInMs: 12_000,
      workers: 1,
      limit: 8,
      underWay: 3,
    });
  });

  test("is paused with its cause and its next probe by our clock, whatever that of Redis says", () => {
    const readings = readingsOf({ shared: { healths: { fast: PAUSED } } });

    expect(modelIn(readings, "fast")).toMatchObject({
      state: "paused",
      cause: "refuses us: status 401",
      trouble: "refused",
      nextProbeAtMs: AT_MS + 8_000,
      lastStartsInMs: null,
    });
  });

  test("is paused by an operator before anything else", () => {
    const pause = { by: "ops@desk", reason: "moving", atMs: AT_MS };
    const readings = readingsOf({
      store: { pauses: new Map([["fast", pause]]) },
      shared: { healths: { fast: PAUSED }, workers: [] },
    });

    expect(modelIn(readings, "fast")).toMatchObject({
      state: "paused_by_operator",
      cause: "by ops@desk: moving",
      operatorPause: pause,
    });
  });

  test.each([
    ["no worker runs", [], "no_worker", "no worker runs"],
    [
      "those that run do not know it",
      [{ ...WORKER, models: { slow: WORKER.models["slow"] ?? never() } }],
      "no_worker",
      "no worker that runs knows it",
    ],
    [
      "its key is nowhere",
      [
        {
          ...WORKER,
          models: { fast: { problem: "key_missing" as const, limit: 8, underWay: 0, ended: 0 } },
        },
      ],
      "key_missing",
      "no worker has FAST_KEY",
    ],
  ] as const)("says that nobody calls it: %s", (_name, workers, state, cause) => {
    const readings = readingsOf({ shared: { workers: [...workers] } });

    expect(modelIn(readings, "fast")).toMatchObject({ state, cause, workers: 0 });
  });

  test("is a suspicion where its only caller meets nothing but failures", () => {
    const trouble = {
      trouble: "failing" as const,
      message: "status 500",
      failures: 7,
      lastMs: AT_MS + 3_600_000,
      pauseMs: 4_000,
      pausedAtMs: AT_MS + 3_600_000,
      untilMs: AT_MS + 3_604_000,
      probeUntilMs: 0,
    };
    const readings = readingsOf({
      shared: { healths: { fast: { ...HEALTHY, users: { u: trouble } } } },
    });

    expect(modelIn(readings, "fast")).toMatchObject({ state: "suspected", usersInTrouble: 1 });
    expect(conditionsIn(readings)).toMatchObject([
      { kind: "wrong", text: expect.stringContaining("may be ill") },
    ]);
  });

  test("is removed where requests of it are left", () => {
    const readings = readingsOf({ store: { waiting: [waiting("gone", 3, 1_000)] } });

    expect(modelIn(readings, "gone").state).toBe("removed");
    expect(conditionsIn(readings)).toMatchObject([
      { kind: "wrong", text: expect.stringContaining("request cancel --model gone") },
    ]);
  });
});

function never(): never {
  throw new Error("the sample has no such model");
}
