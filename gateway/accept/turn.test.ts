import { describe, expect, test } from "bun:test";

import type { Config } from "../../core/config/schema.ts";
import {
  createFakeGateway,
  problemOf,
  storedRequest,
  testConfig,
} from "../../test/support/gateway-world.ts";
import { laneView } from "../../test/support/lane-samples.ts";
import type { GatewayPorts } from "../ports.ts";

const START_MS = Date.UTC(2026, 10, 21, 12);
const iso = (afterMs: number): string => new Date(START_MS + afterMs).toISOString();

/** A gateway whose user is of that tier; everything is parked, so that rows show the class. */
async function startGateway(tier: string | null = null, overrides: Partial<GatewayPorts> = {}) {
  const ttl = { queue_ttl_seconds_default: 600, queue_ttl_seconds_max: 3_600 };
  const config = testConfig({ gather_ms: 0, ...ttl });
  const tiers: Config["tiers"] = {
    standard: tierWith("normal"),
    paid: tierWith("high"),
    batch: tierWith("low"),
  };
  function tierWith(priorityMax: "low" | "normal" | "high"): Config["tiers"][string] {
    const window = { requests: null, tokens: null, failed_executions: null };
    return {
      daily: window,
      monthly: window,
      concurrent_requests: null,
      weight: 1,
      ...config.tiers["standard"],
      priority_max: priorityMax,
    };
  }
  const fake = createFakeGateway({
    config: () => ({ ...config, tiers }),
    readLanes: async () => laneView({ mode: "parked" }),
    ...overrides,
  });
  if (tier !== null) fake.keys.setTier("user-1", tier);
  await fake.gateway.start();
  const post = (fields: object, headers: Record<string, string> = {}) =>
    fake.call("POST", "/generate", { body: { prompt: "x", ...fields }, headers });
  return { ...fake, post };
}

describe("the class of a request", () => {
  test.each([
    [null, undefined, "normal"],
    [null, "low", "low"],
    ["paid", undefined, "normal"],
    ["paid", "high", "high"],
    // Who names none gets what the tier has.
    ["batch", undefined, "low"],
    ["gone", "normal", "normal"],
  ] as const)("of a user of the tier %p who asks for %p is %s", async (...given) => {
    const [tier, priority, expected] = given;
    const { post, rows } = await startGateway(tier);

    expect((await post({ priority })).status).toBe(202);
    expect(rows.map((row) => row.priority)).toEqual([expected]);
  });

  test.each([
    [null, "high", "must be one of low, normal: your tier allows no more"],
    ["batch", "normal", "must be one of low: your tier allows no more"],
    ["paid", "urgent", "must be one of low, normal, high"],
  ])("of a user of the tier %p cannot be %s, and the answer says what can", async (...given) => {
    const [tier, priority, message] = given;
    const { post, call, admitted } = await startGateway(tier);

    const answers = [
      await post({ priority }),
      await call("POST", "/quota/explain", { body: { prompt: "x", priority } }),
    ];

    for (const answer of answers) {
      expect(await problemOf(answer)).toMatchObject({
        status: 422,
        code: "BODY_INVALID",
        errors: [{ field: "/priority", message }],
      });
    }
    expect(admitted).toEqual([]);
  });
});

describe("the deadline of a request", () => {
  test.each([
    ["earlier than queue_ttl counts", iso(60_000), 60_000],
    ["in another zone is the same instant", "2026-11-21T13:01:00+01:00", 60_000],
    ["later than queue_ttl does not count", iso(900_000), 600_000],
  ])("%s", async (_name, deadline, expiresAfterMs) => {
    const { post, rows } = await startGateway();

    expect((await post({ deadline })).status).toBe(202);
    expect(rows.map(({ head }) => head.expiresAtMs)).toEqual([START_MS + expiresAfterMs]);
  });

  test.each([
    ["has passed", iso(-1), "must be in the future; here it is 2026-11-21T12:00:00.000Z"],
    ["is now", iso(0), "must be in the future; here it is 2026-11-21T12:00:00.000Z"],
    ["is too far away", iso(3_600_001), "must be at most 3600 seconds from now"],
    [
      "has no zone",
      "2026-11-21T13:00:00",
      "must be RFC 3339 with a zone, such as 2026-11-21T12:00:00Z",
    ],
  ])("is refused when it %s, and the answer says what is allowed", async (...given) => {
    const [, deadline, message] = given;
    const { post, call, admitted } = await startGateway();

    const answers = [
      await post({ deadline }),
      await call("POST", "/quota/explain", { body: { prompt: "x", deadline } }),
    ];

    for (const answer of answers) {
      expect(await problemOf(answer)).toMatchObject({
        status: 422,
        code: "BODY_INVALID",
        errors: [{ field: "/deadline", message }],
      });
    }
    expect(admitted).toEqual([]);
  });
});

describe("a replay of an Idempotency-Key", () => {
  const key = { "idempotency-key": '"k"' };

  test("is right also when its deadline has passed and its class is not allowed any more", async () => {
    const fake = await startGateway("batch", {
      findReplay: async () => ({ requestId: "first", sameBody: true }),
    });
    fake.stored.set("first", storedRequest("first"));

    const response = await fake.post({ deadline: iso(-5_000), priority: "high" }, key);

    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ request_id: "first" });
  });

  test("is another body where its class or its deadline is another", async () => {
    const { post, rows } = await startGateway("paid");
    const first = { priority: "high", deadline: iso(60_000) };
    await post(first, key);

    const others = [{}, { ...first, priority: "low" }, { ...first, deadline: iso(61_000) }];
    const statuses = await Promise.all(others.map(async (body) => (await post(body, key)).status));
    const same = await post(first, key);

    expect(statuses).toEqual([422, 422, 422]);
    expect(same.status).toBe(202);
    expect(rows).toHaveLength(1);
  });
});
