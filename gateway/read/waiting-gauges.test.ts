import { describe, expect, test } from "bun:test";

import { silentMetrics } from "../../core/metrics.ts";
import type { WaitingModel } from "../../core/request/stored-request.ts";
import { untilIdle } from "../../test/support/clock.ts";
import { createFakeGateway } from "../../test/support/gateway-world.ts";
import type { GatewayPorts } from "../ports.ts";

const NOON_MS = Date.UTC(2026, 10, 21, 12);

/** A started gateway and the gauges it shows, by name and labels. */
async function startWith(waitingByModel: GatewayPorts["waitingByModel"]) {
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
    },
  });
  await fake.gateway.start();
  await untilIdle();
  return { ...fake, shown };
}

describe("the gauges of what waits", () => {
  test("show 0 for a configured model that nothing waits for, so that scaling has a value", async () => {
    const { shown } = await startWith(async () => []);

    expect(shown).toEqual({ "tokens small": 0, "requests small": 0, oldest: 0 });
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

    expect(busy).toEqual({
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
