import { describe, expect, test } from "bun:test";

import {
  AT_MS,
  config,
  PAUSED,
  readingsOf,
  waiting,
  type World,
} from "../../test/support/status-samples.ts";
import { conditionsOf } from "./conditions.ts";
import { modelStatuses } from "./model-states.ts";
import type { Readings } from "./reading.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

const conditionsIn = (readings: Readings) =>
  conditionsOf(readings, modelStatuses(readings, config), config);

describe("what is wrong", () => {
  test("is nothing in a system that is well", () => {
    expect(conditionsIn(readingsOf())).toEqual([]);
  });

  test("is told of each server that is away, and the rest goes on", () => {
    const readings: Readings = {
      ...readingsOf({ store: { waiting: [waiting("fast", 2, 1_000)] } }),
      redis: { ok: false, reason: "ECONNREFUSED" },
      broker: { ok: false, reason: "ECONNREFUSED" },
    };

    const texts = conditionsIn(readings).map(({ text }) => text);

    expect(texts).toEqual([
      expect.stringContaining("Redis does not answer (ECONNREFUSED)"),
      expect.stringContaining("RabbitMQ does not answer (ECONNREFUSED)"),
    ]);
    expect(modelStatuses(readings, config)[0]).toMatchObject({
      state: "ok",
      open: 2,
      ready: null,
      workers: null,
    });
  });

  test.each<[string, World, string]>([
    [
      "dead requests",
      { broker: { dead: { requests: 2, results: 0 } } },
      "2 requests failed for good",
    ],
    [
      "dead results",
      { broker: { dead: { requests: 0, results: 1 } } },
      "1 result could not be read",
    ],
    ["a long outbox", { store: { outbox: 5_001 } }, "not yet at RabbitMQ: 5,001 accepted requests"],
    ["no gateway", { store: { gateways: 0 } }, "no gateway gives a sign of life"],
    ["no keeper", { store: { hasKeeper: false } }, "no collector is the keeper"],
    [
      "a silent dispatcher",
      { shared: { view: { atMs: AT_MS - MINUTE_MS, models: {} } } },
      "the dispatcher has said nothing for 1m",
    ],
    [
      "a request that waits too long",
      { store: { waiting: [waiting("fast", 1, 16 * MINUTE_MS)] } },
      "the oldest open request of fast was accepted 16m ago",
    ],
    [
      "work and no worker",
      { store: { waiting: [waiting("fast", 4, 2 * MINUTE_MS)] }, shared: { workers: [] } },
      "the model fast is not worked on: no worker runs; 4 requests of it are open",
    ],
    [
      "a model that an operator has forgotten to resume",
      {
        store: {
          pauses: new Map([["fast", { by: "ops", reason: "moving", atMs: AT_MS - 7 * HOUR_MS }]]),
          waiting: [waiting("fast", 1, MINUTE_MS)],
        },
      },
      "the model fast is paused by ops: moving",
    ],
    [
      "a model that refuses us",
      { shared: { healths: { fast: PAUSED } } },
      "its ML service at localhost:8000 refuses us: status 401: mend its credential",
    ],
  ])("%s", (_name, world, text) => {
    expect(conditionsIn(readingsOf(world))).toEqual([
      { kind: "wrong", text: expect.stringContaining(text) },
    ]);
  });

  test.each<[string, World, string]>([
    [
      "a model that an operator has paused",
      {
        store: {
          pauses: new Map([["fast", { by: "ops", reason: "moving", atMs: AT_MS }]]),
          waiting: [waiting("fast", 1, 16 * MINUTE_MS)],
        },
      },
      "the model fast is paused by ops: moving; 1 request of it is open",
    ],
    [
      "workers that are being woken",
      { store: { waiting: [waiting("fast", 1, 10_000)] }, shared: { workers: [] } },
      "is not worked on",
    ],
    [
      "a tier that is gone",
      { store: { tiers: [{ tier: "gold", users: 2, isKnown: true }] } },
      "2 users have the tier gold, which the configuration does not have: they keep",
    ],
    [
      "a tier that nobody knows",
      { store: { tiers: [{ tier: "gold", users: 1, isKnown: false }] } },
      "so they have the default tier's limits",
    ],
    [
      "a queue that is not there yet",
      { broker: { ready: new Map([["fast", null]]) } },
      "has no queue yet",
    ],
  ])("is not %s, which is told all the same", (_name, world, text) => {
    expect(conditionsIn(readingsOf(world))).toEqual([
      { kind: "note", text: expect.stringContaining(text) },
    ]);
  });

  test("comes before what is only worth knowing", () => {
    const readings = readingsOf({
      store: { pauses: new Map([["fast", { by: "o", reason: "r", atMs: AT_MS }]]), gateways: 0 },
      broker: { dead: { requests: 1, results: 0 } },
    });

    expect(conditionsIn(readings).map(({ kind }) => kind)).toEqual(["wrong", "wrong", "note"]);
  });
});
