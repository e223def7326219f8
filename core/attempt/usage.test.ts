import { describe, expect, test } from "bun:test";

import { renderMessages } from "./prompt-text.ts";
import { plausibleUsage, usageBounds } from "./usage.ts";

const BOUNDS = usageBounds({ promptBytes: 100, replyTextBytes: 50, maxTokens: 20, n: 2 });

describe("a reported usage", () => {
  test.each([
    [10, 20],
    [0, 0],
    [BOUNDS.promptTokensMax, BOUNDS.completionTokensMax],
  ])("of %p and %p tokens is believed", (promptTokens, completionTokens) => {
    expect(plausibleUsage(promptTokens, completionTokens, BOUNDS)).toEqual({
      promptTokens,
      completionTokens,
    });
  });

  test.each([
    [-1, 20],
    [10, -20],
    [10, 1.5],
    [10, Number.NaN],
    [10, Number.POSITIVE_INFINITY],
    [10, undefined],
    [null, 20],
    ["10", 20],
    [BOUNDS.promptTokensMax + 1, 20],
    [10, BOUNDS.completionTokensMax + 1],
  ])("of %p and %p tokens is not believed", (promptTokens, completionTokens) => {
    expect(plausibleUsage(promptTokens, completionTokens, BOUNDS)).toBeNull();
  });
});

test("messages become one prompt with speakers, open for the assistant to go on", () => {
  const prompt = renderMessages([
    { role: "system", content: "Be short." },
    { role: "user", content: "Why?" },
  ]);

  expect(prompt).toBe("System: Be short.\n\nUser: Why?\n\nAssistant:");
});
