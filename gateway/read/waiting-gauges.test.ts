import { describe, expect, test } from "bun:test";

import { HEALTHY } from "../../core/queue/model-health.ts";
import { silentMetrics } from "../../core/metrics.ts";
import type { WaitingModel } from "../../core/request/stored-request.ts";
import { untilIdle } from "../../test/support/clock.ts";
import { createFakeGateway } from "../../test/support/gateway-world.ts";
import { laneView } from "../../test/support/lane-samples.ts";
import type { GatewayPorts } from "../ports.ts";

const NOON_MS = Date.UTC(2026, 10, 21, 12);

/** A started gateway and the gauges it shows, by name and labels. */
async function startWith(
  waitingByModel: GatewayPorts["waitingByModel"],
  overrides: Partial<GatewayPorts> = {},
) {
  const shown: Record<string, number> = {};
  const gaugeOf = (name: string) => ({
    set: (value: number, ...labels: string[]) => {
      shown[[name, ...labels].join(" ")] = value;
    },
  });
  const fake = createFakeGateway({
    waitingByModel,
    metrics: {
      ...silentMetrics(),
      gateway_tokens_waiting: gaugeOf("tokens"),
      gateway_requests_waiting: gaugeOf("requests"),
      gateway_oldest_waiting_seconds: gaugeOf("oldest"),
      gateway_tokens_runnable: gaugeOf("runnable tokens"),
      gateway_requests_runnable: gaugeOf("runnable requests"),
      gateway_oldest_runnable_seconds: gaugeOf("oldest runnable"),
    },
    ...overrides,
  });
  await fake.gateway.start();
  await untilIdle();
  return { ...fake, shown };
}

describe("the gauges of what waits", () => {
  test("show 0 for a configured model that nothing waits for, so that scaling has a value", async () => {
    const { shown } = await startWith(async () => []);

    expect(shown).toEqual({
      "tokens small": 0,
      "requests small": 0,
      oldest: 0,
      "runnable tokens small": 0,
      "runnable requests small": 0,
      "oldest runnable": 0,
    });
  });

  test("are read again only after nine times as long as reading them took", async () => {
    const readings: PromiseWithResolvers<WaitingModel[]>[] = [];
    const { advance } = await startWith(() => {
      const reading = Promise.withResolvers<WaitingModel[]>();
      readings.push(reading);
      return reading.promise;
    });

    readings[0]?.resolve([]);
    await advance(5_000);
    await advance(2_000);
    readings[1]?.resolve([]);
    await untilIdle();
    await advance(17_999);
    const rested = readings.length;
    await advance(1);

    expect([rested, readings.length]).toEqual([2, 3]);
  });

  test("follow what waits within seconds, also of a model that is no longer configured", async () => {
    let waiting: WaitingModel[] = [];
    const { shown, advance } = await startWith(async () => waiting);

    waiting = [
      { model: "small", requests: 2, tokens: 30, oldestCreatedAtMs: NOON_MS - 1_000 },
      { model: "gone", requests: 1, tokens: 9, oldestCreatedAtMs: NOON_MS - 55_000 },
    ];
    await advance(5_000);
    const busy = { ...shown };
    waiting = [];
    await advance(5_000);

    expect(busy).toMatchObject({
      "tokens small": 30,
      "requests small": 2,
      "tokens gone": 9,
      "requests gone": 1,
      oldest: 60,
    });
    expect(shown).toMatchObject({ "tokens gone": 0, "requests gone": 0, oldest: 0 });
  });

  test("keep their last values while PostgreSQL is away, and go on when it is back", async () => {
    let isDown = false;
    let requests = 5;
    const { shown, advance } = await startWith(async () => {
      if (isDown) throw new Error("away");
      return [{ model: "small", requests, tokens: 1, oldestCreatedAtMs: NOON_MS }];
    });

    isDown = true;
    requests = 6;
    await advance(20_000);
    const whileAway = shown["requests small"];
    isDown = false;
    await advance(5_000);

    expect(whileAway).toBe(5);
    expect(shown["requests small"]).toBe(6);
  });
});

describe("the gauges of what could run", () => {
  const work = { requests: 40, tokens: 400, oldestCreatedAtMs: NOON_MS - 60_000 };
  const waiting: WaitingModel[] = [
    { model: "small", ...work },
    { model: "gone", ...work },
  ];
  const healthOf = (untilMs: number): Partial<GatewayPorts> => ({
    readHealth: async () => [
      {
        atMs: NOON_MS,
        health: {
          ...HEALTHY,
          pause: {
            cause: "unreachable",
            message: "m",
            sinceMs: 0,
            pauseMs: 1_000,
            untilMs,
            probe: null,
          },
        },
      },
    ],
  });
  const runnable = async (overrides: Partial<GatewayPorts> = {}) => {
    const { shown } = await startWith(async () => waiting, overrides);
    expect(shown).toMatchObject({ "requests small": 40, "tokens small": 400, oldest: 60 });
    return {
      requests: shown["runnable requests small"],
      tokens: shown["runnable tokens small"],
      oldest: shown["oldest runnable"],
      gone: shown["runnable requests gone"],
    };
  };

  test("show what waits for models that can be called, and nothing for one that was removed", async () => {
    expect(await runnable()).toEqual({ requests: 40, tokens: 400, oldest: 60, gone: 0 });
  });

  test("show nothing of a model that is down, and one request when it is to be probed", async () => {
    const down = { requests: 0, tokens: 0, oldest: 0, gone: 0 };

    expect(await runnable(healthOf(NOON_MS + 1_000))).toEqual(down);
    expect(await runnable(healthOf(NOON_MS))).toEqual({ ...down, requests: 1, tokens: 10 });
  });

  test("show nothing of a model that an operator has paused", async () => {
    const operatorPause = { by: "ada", reason: "upgrade", atMs: 1 };

    expect(
      await runnable({ readLanes: async () => laneView({ mode: "parked", operatorPause }) }),
    ).toMatchObject({ requests: 0, tokens: 0, oldest: 0 });
  });

  test("show one request of what a user in trouble of their own has parked", async () => {
    const asked: unknown[] = [];
    const user = {
      trouble: "failing",
      message: "status 500",
      failures: 10,
      lastMs: NOON_MS,
      pauseMs: 1_000,
      pausedAtMs: NOON_MS,
      untilMs: NOON_MS + 1_000,
      probeUntilMs: 0,
    } as const;

    const shown = await runnable({
      readHealth: async () => [{ atMs: NOON_MS, health: { ...HEALTHY, users: { u: user } } }],
      parkedWork: async (lines) => {
        asked.push(...lines);
        return [{ requests: 35, tokens: 350 }];
      },
    });

    expect(shown).toMatchObject({ requests: 6, tokens: 60 });
    expect(asked).toEqual([{ model: "small", userId: "u" }]);
  });
});
