import { describe, expect, test } from "bun:test";

import type { QuotaSnapshot } from "../../../core/quota/quota.ts";
import {
  createFakeGateway,
  problemOf,
  snapshotWith,
  storeDown,
} from "../../../test/support/gateway-world.ts";
import type { ExplainReply } from "../schemas.ts";

/** 12:00 on 21 November 2026; the month allows nothing more, the day nothing for a while. */
const TIGHT: QuotaSnapshot = {
  ...snapshotWith(900, 1_000),
  windows: {
    daily: snapshotWith(900, 1_000).windows.daily,
    monthly: {
      limit: { requests: 10, tokens: null },
      used: { requests: 10, tokens: 5_000 },
      held: { requests: 2, tokens: 300 },
    },
  },
  openRequests: 2,
  concurrentRequests: 2,
  failedExecutions: { daily: { limit: 20, used: 5 }, monthly: { limit: 50, used: 53 } },
};

describe("the quota of a caller", () => {
  test("shows each window's limit, use, holds, what is left and when it starts anew", async () => {
    const { call } = createFakeGateway({ readQuota: async () => TIGHT });

    const response = await call("GET", "/quota");

    expect(await response.json()).toEqual({
      at: "2026-11-21T12:00:00.000Z",
      windows: {
        daily: {
          window: "2026-11-21",
          resets_at: "2026-11-22T00:00:00.000Z",
          requests: { limit: null, used: 1, held: 0, remaining: null },
          tokens: { limit: 1_000, used: 900, held: 0, remaining: 100 },
          failed_executions: { limit: 20, used: 5, remaining: 15 },
        },
        monthly: {
          window: "2026-11",
          resets_at: "2026-12-01T00:00:00.000Z",
          requests: { limit: 10, used: 10, held: 2, remaining: 0 },
          tokens: { limit: null, used: 5_000, held: 300, remaining: null },
          failed_executions: { limit: 50, used: 53, remaining: 0 },
        },
      },
      concurrent_requests: { open: 2, limit: 2 },
    });
    expect(response.headers.get("x-ratelimit-remaining-tokens")).toBe("100");
  });

  test("that was overrun by more use than estimated shows a debt", async () => {
    const { call } = createFakeGateway({ readQuota: async () => snapshotWith(1_200, 1_000) });

    expect(await (await call("GET", "/quota")).json()).toMatchObject({
      windows: { daily: { tokens: { remaining: -200 } } },
    });
  });

  test("is not guessed while the store is away", async () => {
    const { call } = createFakeGateway({ readQuota: storeDown });

    expect((await call("GET", "/quota")).status).toBe(503);
  });
});

describe("an explanation", () => {
  const explain = async (snapshot: QuotaSnapshot, body: unknown): Promise<ExplainReply> => {
    const { call } = createFakeGateway({ readQuota: async () => snapshot });
    return (await (await call("POST", "/quota/explain", { body })).json()) as ExplainReply;
  };

  test("of a request that fits says so and takes nothing", async () => {
    const { call, admitted, rows, settled } = createFakeGateway();

    const response = await call("POST", "/quota/explain", { body: { prompt: "x", max_tokens: 9 } });

    expect(await response.json()).toEqual({
      fits: true,
      estimated_tokens: 10,
      refusals: [],
      never_fits: false,
      retry_after_seconds: null,
      fits_at: null,
    });
    expect({ admitted, rows, settled }).toEqual({ admitted: [], rows: [], settled: [] });
  });

  test("names every limit in the way and when the last of them is gone", async () => {
    const reply = await explain(TIGHT, { prompt: "x", max_tokens: 100 });

    expect(reply).toEqual({
      fits: false,
      estimated_tokens: 101,
      refusals: [
        { window: "daily", measure: "tokens", limit: 1_000, used: 900, wanted: 101 },
        { window: "monthly", measure: "requests", limit: 10, used: 10, wanted: 1 },
        { window: "monthly", measure: "failed_executions", limit: 50, used: 53, wanted: 1 },
        { window: "concurrent", measure: "requests", limit: 2, used: 2, wanted: 1 },
      ],
      never_fits: false,
      retry_after_seconds: 9.5 * 86_400,
      fits_at: "2026-12-01T00:00:00.000Z",
    });
  });

  test("of a request larger than a whole window says that waiting does not help", async () => {
    const reply = await explain(snapshotWith(0, 50), { prompt: "x", max_tokens: 100 });

    expect(reply).toMatchObject({
      fits: false,
      never_fits: true,
      retry_after_seconds: null,
      fits_at: null,
    });
  });

  test("knows no instant at which open requests end", async () => {
    const reply = await explain(
      { ...snapshotWith(0, null), openRequests: 3, concurrentRequests: 3 },
      { prompt: "x" },
    );

    expect(reply).toMatchObject({ fits: false, retry_after_seconds: 1, fits_at: null });
  });

  test("agrees with the admission about the size", async () => {
    const { call } = createFakeGateway();
    const body = { messages: [{ role: "user", content: "hello" }], max_tokens: 20, n: 3 };

    const explained: unknown = await (await call("POST", "/quota/explain", { body })).json();
    const accepted = (await (await call("POST", "/generate", { body })).json()) as {
      estimated_tokens: number;
    };

    expect(explained).toMatchObject({ estimated_tokens: accepted.estimated_tokens });
  });

  test.each([
    [{ prompt: "x", promt: "y" }, "BODY_INVALID"],
    [{ prompt: "x", model: "nope" }, "MODEL_UNKNOWN"],
    [{ prompt: "x".repeat(1_001) }, "PROMPT_TOO_LONG"],
  ])("of a body that /generate would refuse is refused likewise", async (body, code) => {
    const { call } = createFakeGateway();

    expect((await problemOf(await call("POST", "/quota/explain", { body }))).code).toBe(code);
  });
});
