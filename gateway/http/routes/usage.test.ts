import { describe, expect, test } from "bun:test";

import type { UsageQuery } from "../../../core/quota/usage.ts";
import { createFakeGateway, problemOf } from "../../../test/support/gateway-world.ts";

const NOTHING = {
  requests: 0,
  failedRequests: 0,
  promptTokens: 0,
  completionTokens: 0,
  totalTokens: 0,
  cachedTokens: 0,
  reasoningTokens: 0,
};

/** What the ledger was asked for by a query. */
async function askedBy(query: string): Promise<UsageQuery | undefined> {
  let asked: UsageQuery | undefined;
  const { call } = createFakeGateway({
    readUsage: async (usage) => {
      asked = usage;
      return [];
    },
  });
  await call("GET", `/usage${query}`);
  return asked;
}

describe("the usage of a caller", () => {
  test("is listed by day with its total", async () => {
    const { call } = createFakeGateway({
      readUsage: async () => [
        {
          key: "2026-11-20",
          requests: 2,
          failedRequests: 4,
          promptTokens: 10,
          completionTokens: 5,
          totalTokens: 15,
          cachedTokens: 4,
          reasoningTokens: 3,
        },
        { ...NOTHING, key: "2026-11-21", requests: 1, promptTokens: 1, totalTokens: 1 },
      ],
    });

    expect(await (await call("GET", "/usage")).json()).toEqual({
      from: "2026-11-01",
      to: "2026-11-21",
      by: "day",
      data: [
        {
          day: "2026-11-20",
          requests: 2,
          failed_requests: 4,
          prompt_tokens: 10,
          completion_tokens: 5,
          total_tokens: 15,
          cached_tokens: 4,
          reasoning_tokens: 3,
        },
        {
          day: "2026-11-21",
          requests: 1,
          failed_requests: 0,
          prompt_tokens: 1,
          completion_tokens: 0,
          total_tokens: 1,
          cached_tokens: 0,
          reasoning_tokens: 0,
        },
      ],
      total: {
        requests: 3,
        failed_requests: 4,
        prompt_tokens: 11,
        completion_tokens: 5,
        total_tokens: 16,
        cached_tokens: 4,
        reasoning_tokens: 3,
      },
    });
  });

  test("is listed by model when asked so", async () => {
    const { call } = createFakeGateway({
      readUsage: async () => [{ key: "small", ...NOTHING }],
    });

    expect(await (await call("GET", "/usage?by=model")).json()).toMatchObject({
      by: "model",
      data: [{ model: "small" }],
    });
  });

  test.each([
    ["", "2026-11-01", "2026-11-21"],
    ["?from=2026-10-05", "2026-10-05", "2026-11-21"],
    ["?to=2026-02-10", "2026-02-01", "2026-02-10"],
    ["?from=2028-02-29&to=2028-02-29", "2028-02-29", "2028-02-29"],
    ["?from=2026-01-01&to=2027-01-01", "2026-01-01", "2027-01-01"],
  ])("of %p is that of the days %s to %s", async (query, from, to) => {
    expect(await askedBy(query)).toEqual({ userId: "user-1", from, to, by: "day" });
  });

  test.each([
    ["from=2026-02-30", "from"],
    ["from=2026-1-1", "from"],
    ["to=yesterday", "to"],
    ["to=2026-13-01", "to"],
    ["from=2026-11-22", "from"],
    ["from=2026-01-01&to=2027-01-02", "from"],
    ["by=hour", "by"],
    ["by=", "by"],
    ["form=2026-01-01", "form"],
  ])("of ?%s is refused, and the parameter named", async (query, field) => {
    const { call } = createFakeGateway();

    const problem = await problemOf(await call("GET", `/usage?${query}`));

    expect(problem).toMatchObject({ status: 422, code: "PARAMETER_INVALID", errors: [{ field }] });
  });
});
