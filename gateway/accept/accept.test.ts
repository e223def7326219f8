import { describe, expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { untilIdle } from "../../test/support/clock.ts";
import {
  createFakeGateway,
  problemOf,
  snapshotWith,
  storeDown,
} from "../../test/support/gateway-world.ts";
import type { AcceptedReply } from "../http/schemas.ts";

const FAILED = { limit: 100, used: 103 };

describe("an accepted request", () => {
  test("returns 202 with its id, its estimate and where to read it, after it is stored", async () => {
    const { call, rows, published } = createFakeGateway();

    const response = await call("POST", "/generate", {
      body: { prompt: "hello", max_tokens: 10, n: 2 },
    });

    expect(response.status).toBe(202);
    const reply = (await response.json()) as AcceptedReply;
    expect(reply).toEqual({
      request_id: rows[0]?.head.requestId ?? "",
      status: "queued",
      model: "small",
      estimated_tokens: 5 + 10 * 2,
      urls: {
        status: `/status/${reply.request_id}`,
        cancel: `/requests/${reply.request_id}/cancel`,
      },
    });
    expect(response.headers.get("location")).toBe(`/status/${reply.request_id}`);
    expect(published.map((request) => request.head.requestId)).toEqual([reply.request_id]);
  });

  test("carries the rate headers of the window with the least left", async () => {
    const { call } = createFakeGateway({
      admit: async () => ({ admitted: true, snapshot: snapshotWith(900, 1_000) }),
    });

    const response = await call("POST", "/generate", { body: { prompt: "hello" } });

    expect(response.headers.get("x-ratelimit-remaining-tokens")).toBe("100");
    expect(response.headers.get("ratelimit")).toBe('"daily-tokens";r=100;t=43200');
    expect(response.headers.get("ratelimit-policy")).toBe('"daily-tokens";q=1000;w=86400');
  });

  test("can be posted at the alias of the pipeline that came before", async () => {
    const { call } = createFakeGateway();

    expect((await call("POST", "/api/v1/inference", { body: { prompt: "hello" } })).status).toBe(
      202,
    );
  });

  test("waits for nobody when the one before it is through, however shortly", async () => {
    const { call, rows } = createFakeGateway({}, { gather_ms: 1_000 });

    await call("POST", "/generate", { body: { prompt: "hello" } });
    await call("POST", "/generate", { body: { prompt: "hello again" } });

    // Nobody has moved the clock.
    expect(rows).toHaveLength(2);
  });

  test("returns 202 while the broker is away, and is published once it is back", async () => {
    const { call, broker, advance } = createFakeGateway();
    const published = () => broker.ready("inference_requests");
    broker.setAway(true);

    const response = await call("POST", "/generate", { body: { prompt: "hello" } });
    await advance(1_000);
    const publishedWhileAway = published().length;
    broker.setAway(false);
    await advance(1_000);

    expect(response.status).toBe(202);
    expect(publishedWhileAway).toBe(0);
    expect(published()).toHaveLength(1);
  });
});

describe("a request that is not accepted", () => {
  test("for quota says which window refuses and when it would fit", async () => {
    const { call, rows } = createFakeGateway({
      admit: async () => ({ admitted: false, snapshot: snapshotWith(990, 1_000) }),
    });

    const response = await call("POST", "/generate", { body: { prompt: "x", max_tokens: 100 } });

    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("43200");
    expect(await response.json()).toMatchObject({
      code: "QUOTA_EXCEEDED",
      "violated-policies": ["daily-tokens"],
      estimated_tokens: 101,
    });
    expect(rows).toEqual([]);
  });

  test("because too many executions have failed says so, and when their window ends", async () => {
    const snapshot = { ...snapshotWith(990, 1_000), failedExecutions: { daily: FAILED } };
    const { call, rows } = createFakeGateway({
      admit: async () => ({ admitted: false, snapshot }),
    });

    const response = await call("POST", "/generate", { body: { prompt: "x", max_tokens: 100 } });

    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("43200");
    expect(await response.json()).toMatchObject({
      code: "FAILURES_EXCEEDED",
      detail: expect.stringContaining("daily failed executions: 103 of 100"),
      "violated-policies": ["daily-tokens", "daily-failed_executions"],
    });
    expect(rows).toEqual([]);
  });

  test("because it can never fit says so, and carries no Retry-After", async () => {
    const { call } = createFakeGateway({
      admit: async () => ({ admitted: false, snapshot: snapshotWith(0, 50) }),
    });

    const response = await call("POST", "/generate", { body: { prompt: "x", max_tokens: 100 } });

    expect((await problemOf(response)).code).toBe("QUOTA_NEVER_FITS");
    expect(response.headers.get("retry-after")).toBeNull();
  });

  test("because the store is down releases its hold and is not published", async () => {
    const { call, admitted, settled, published } = createFakeGateway({ insertRequests: storeDown });

    const response = await call("POST", "/generate", { body: { prompt: "x" } });

    expect(response.headers.get("retry-after")).toBe("1");
    expect((await problemOf(response)).code).toBe("STORE_UNAVAILABLE");
    expect(settled.map((settlement) => [settlement.requestId, settlement.billedTokens])).toEqual([
      [admitted[0] ?? "", null],
    ]);
    expect(published).toEqual([]);
  });

  test("because the store is too slow is taken out again when it was stored after all", async () => {
    let commit = (): void => {};
    const { call, advance, settled, discarded, published } = createFakeGateway({
      insertRequests: (rows) =>
        new Promise(
          (resolve) => (commit = () => resolve(rows.map(() => ({ kind: "stored" as const })))),
        ),
    });

    const response = call("POST", "/generate", { body: { prompt: "x" } });
    await untilIdle();
    await advance(5_000);
    const refused = await response;
    commit();
    await untilIdle();

    expect(refused.status).toBe(503);
    expect(settled).toHaveLength(1);
    expect(discarded).toHaveLength(1);
    expect(published).toEqual([]);
  });

  test("because its gateway froze too long after the hold is refused by the store", async () => {
    const frozenMs = 40_000;
    const clock: { advance?: (ms: number) => Promise<void> } = {};
    const { call, advance, settled } = createFakeGateway({
      admit: async () => {
        await clock.advance?.(frozenMs);
        return { admitted: true, snapshot: snapshotWith(0, null) };
      },
      insertRequests: async (rows) =>
        rows.map(({ acceptUntilMs, head }) => ({
          kind: acceptUntilMs > head.createdAtMs + frozenMs ? "stored" : "late",
        })),
    });
    clock.advance = advance;

    const response = await call("POST", "/generate", { body: { prompt: "x" } });

    expect(response.status).toBe(503);
    expect(settled).toHaveLength(1);
  });

  test("because the quota store is down releases the hold it may have taken", async () => {
    const { call, settled } = createFakeGateway({
      admit: () =>
        Promise.reject(new Fault("QUOTA_UNAVAILABLE", "the quota store does not answer")),
    });

    expect((await call("POST", "/generate", { body: { prompt: "x" } })).status).toBe(503);
    expect(settled).toHaveLength(1);
  });

  test("because too much waits for the broker is told to come back", async () => {
    const { call } = createFakeGateway({ publish: () => new Promise(() => {}) }, { outbox_max: 1 });
    await call("POST", "/generate", { body: { prompt: "x" } });

    const response = await call("POST", "/generate", { body: { prompt: "x" } });

    expect((await problemOf(response)).code).toBe("OUTBOX_FULL");
    expect(response.headers.get("retry-after")).toBe("5");
  });
});
