import { describe, expect, test } from "bun:test";

import { apiKeyOf } from "./headers.ts";

const KEY = "tg_live_one";
const OTHER = "tg_live_two";

describe("the key of a call", () => {
  test.each([
    [{ authorization: `Bearer ${KEY}` }],
    [{ authorization: `bearer  ${KEY}` }],
    [{ "x-api-key": ` ${KEY} ` }],
    [{ authorization: `Bearer ${KEY}`, "x-api-key": KEY }],
    [{ authorization: "Basic dXNlcjpwYXNz", "x-api-key": KEY }],
    [{ authorization: "Bearer eyJhbGciOi", "x-api-key": KEY }],
    [{ authorization: `Bearer ${KEY}`, "x-api-key": "of-the-proxy" }],
  ])("is the one that is ours: %j", (headers) => {
    expect(apiKeyOf(new Headers(headers as Record<string, string>))).toBe(KEY);
  });

  test.each([
    [{}, "KEY_MISSING"],
    [{ authorization: "Basic dXNlcjpwYXNz" }, "KEY_MALFORMED"],
    [{ authorization: KEY }, "KEY_MALFORMED"],
    [{ "x-api-key": "sk-proj-1" }, "KEY_MALFORMED"],
    [{ authorization: `Bearer ${KEY}`, "x-api-key": OTHER }, "KEY_AMBIGUOUS"],
  ])("is missing, or not to be told: %j", (headers, code) => {
    expect(() => apiKeyOf(new Headers(headers as Record<string, string>))).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
