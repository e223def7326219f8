import { describe, expect, test } from "bun:test";

import { renderMessages } from "./prompt-text.ts";
import { plausibleUsage, usageBounds } from "./usage.ts";

const BOUNDS = usageBounds({ promptBytes: 100, replyTextBytes: 50, maxTokens: 20, n: 2 });

describe("a reported usage", () => {
  test.each([
    [10, 20],
    [1, 1],
    [BOUNDS.promptTokensMax, BOUNDS.completionTokensMax],
  ])("of %p and %p tokens is believed", (promptTokens, completionTokens) => {
    expect(plausibleUsage({ promptTokens, completionTokens }, BOUNDS)).toEqual({
      promptTokens,
      completionTokens,
      cachedTokens: 0,
      reasoningTokens: 0,
    });
  });

  test.each([
    // A text is at least one token, and so is a prompt.
    [0, 0],
    [10, 0],
    [0, 20],
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
    expect(plausibleUsage({ promptTokens, completionTokens }, BOUNDS)).toBeNull();
  });
});

describe("a total above the sum", () => {
  const bounds = usageBounds({ promptBytes: 100, replyTextBytes: 20, maxTokens: 400, n: 1 });
  const report = { promptTokens: 10, completionTokens: 5 };

  test("wins, because hidden reasoning was output too", () => {
    const hidden = { ...report, totalTokens: 315, reasoningTokens: 300, cachedTokens: 4 };

    expect(plausibleUsage(hidden, bounds)).toEqual({
      promptTokens: 10,
      completionTokens: 305,
      reasoningTokens: 300,
      cachedTokens: 4,
    });
  });

  test.each([14, -315, 315.5, 1_000, "315", null])(
    "of %p is no such total, and the rest is believed without it",
    (totalTokens) => {
      expect(plausibleUsage({ ...report, totalTokens }, bounds)).toMatchObject(report);
    },
  );

  test.each([6, -1, 1.5, "3"])("parts of %p tokens are not believed", (part) => {
    const parts = { ...report, promptTokens: 5, cachedTokens: part, reasoningTokens: part };

    expect(plausibleUsage(parts, bounds)).toMatchObject({ cachedTokens: 0, reasoningTokens: 0 });
  });
});

test("nothing is a plausible count of nothing", () => {
  const bounds = usageBounds({ promptBytes: 100, replyTextBytes: 0, maxTokens: 20, n: 1 });

  const usage = plausibleUsage({ promptTokens: 10, completionTokens: 0 }, bounds);

  expect(usage).toMatchObject({ promptTokens: 10, completionTokens: 0 });
});

test("messages become one prompt with speakers, open for the assistant to go on", () => {
  const prompt = renderMessages([
    { role: "system", content: "Be short." },
    { role: "user", content: "Why?" },
  ]);

  expect(prompt).toBe("System: Be short.\n\nUser: Why?\n\nAssistant:");
});
