import { describe, expect, test } from "bun:test";

import { Fault, FAULTS, type FaultCode, invalidField } from "../../core/faults.ts";
import { problemResponse } from "./problem.ts";
import type { Problem } from "./schemas.ts";
import type { Static } from "@sinclair/typebox";

const bodyOf = async (fault: Fault): Promise<Static<typeof Problem>> =>
  (await problemResponse(fault).json()) as Static<typeof Problem>;

describe("an error as SDKs of OpenAI read it", () => {
  test("names every wrong field in its message, and the first as OpenAI writes it", async () => {
    const fault = new Fault("BODY_INVALID", "see `errors`", {
      details: [
        { field: "/messages/0/content", message: "must not be empty" },
        { field: "/n", message: "must be at most 8" },
      ],
    });

    expect((await bodyOf(fault)).error).toEqual({
      message:
        "The body does not fit the schema: messages[0].content must not be empty; n must be at most 8",
      type: "invalid_request_error",
      param: "messages[0].content",
      code: "body_invalid",
    });
  });

  test("has no field where the whole body is wrong", async () => {
    const { error } = await bodyOf(invalidField("/", "must be an object"));

    expect(error.param).toBeNull();
    expect(error.message).toEndWith("it must be an object");
  });

  test.each<[FaultCode, string, string]>([
    ["KEY_UNKNOWN", "authentication_error", "invalid_api_key"],
    ["REQUEST_UNKNOWN", "not_found_error", "request_unknown"],
    ["MODEL_UNKNOWN", "invalid_request_error", "model_not_found"],
    ["PROMPT_TOO_LONG", "invalid_request_error", "context_length_exceeded"],
    ["QUOTA_EXCEEDED", "insufficient_quota", "insufficient_quota"],
    ["CONCURRENCY_EXCEEDED", "rate_limit_error", "rate_limit_exceeded"],
    ["STORE_UNAVAILABLE", "server_error", "store_unavailable"],
  ])("says %s as %s, %s", async (code, type, openAiCode) => {
    const { error, detail } = await bodyOf(new Fault(code, "what failed"));

    expect(error).toEqual({
      message: `${FAULTS[code].title}: ${detail}`,
      type,
      param: null,
      code: openAiCode,
    });
  });

  test("does not show what failed inside", async () => {
    const { error } = await bodyOf(new Fault("INTERNAL", "secret"));

    expect(error.message).not.toContain("secret");
  });
});

describe("an SDK that repeats calls by itself", () => {
  test.each<[FaultCode, number | undefined, boolean]>([
    ["STORE_UNAVAILABLE", undefined, true],
    ["QUOTA_EXCEEDED", 60, true],
    ["QUOTA_EXCEEDED", 61, false],
    ["QUOTA_NEVER_FITS", undefined, false],
    ["REQUEST_TERMINAL", undefined, false],
    ["BODY_INVALID", undefined, false],
  ])("on %s with Retry-After %s: %s", (code, retryAfterSeconds, mayRetry) => {
    const { headers } = problemResponse(
      new Fault(code, "what failed", retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    );

    expect(headers.get("x-should-retry")).toBe(mayRetry ? null : "false");
  });
});

test("a refusal that names a request has its id in a header too", () => {
  const fault = new Fault("REQUEST_TERMINAL", "ended", { extensions: { request_id: "r-1" } });

  expect(problemResponse(fault).headers.get("x-request-id")).toBe("r-1");
});
