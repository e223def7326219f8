import { expect, test } from "bun:test";

import { JsonText } from "../json/json-text.ts";
import { createDeltas } from "./deltas.ts";

function joined(...pieces: unknown[]) {
  const deltas = createDeltas();
  for (const piece of pieces)
    deltas.add(typeof piece === "string" ? new JsonText(piece) : JsonText.of([piece]));
  return deltas;
}

test("texts of several choices are joined, each in its own", () => {
  const deltas = joined(
    { index: 1, delta: { role: "assistant", content: "" } },
    { index: 0, delta: { role: "assistant", content: "a" } },
    { index: 1, delta: { content: "b" } },
    { index: 0, delta: { role: "assistant", content: "c" }, finish_reason: "stop" },
  );

  expect(deltas.isWhole()).toBe(false);
  expect(deltas.choices()).toEqual([
    { index: 0, text: "ac", finish_reason: "stop" },
    { index: 1, text: "b", finish_reason: null },
  ]);
});

test("tool calls come to one message, names once and arguments joined", () => {
  const call = (index: number, more: object) => ({
    index: 0,
    delta: { tool_calls: [{ index, ...more }] },
  });
  const deltas = joined(
    call(0, { id: "c0", type: "function", function: { name: "f", arguments: "" } }),
    call(0, { function: { arguments: '{"a"' } }),
    call(1, { id: "c1", type: "function", function: { name: "g", arguments: "{}" } }),
    call(0, { id: "c0", function: { name: "f", arguments: ":1}" } }),
    { index: 0, delta: {}, finish_reason: "tool_calls" },
  );

  expect(deltas.isWhole()).toBe(true);
  expect(deltas.choices()[0]?.message?.parse()).toEqual({
    role: "assistant",
    content: null,
    tool_calls: [
      { id: "c0", type: "function", function: { name: "f", arguments: '{"a":1}' } },
      { id: "c1", type: "function", function: { name: "g", arguments: "{}" } },
    ],
  });
});

test("thoughts stay beside the text, and log probabilities as they were written", () => {
  const deltas = joined(
    { index: 0, delta: { reasoning_content: "hm" } },
    { index: 0, delta: { reasoning_content: "m" } },
    `[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[{"logprob":-1.0}]}}]`,
    `[{"index":0,"delta":{"content":"y"},"logprobs":{"content":[{"logprob":-2.50}]},"finish_reason":"stop"}]`,
  );

  const [choice] = deltas.choices();
  expect(choice?.text).toBe("xy");
  expect(choice?.message?.parse()).toMatchObject({ reasoning_content: "hmm", content: "xy" });
  expect(choice?.logprobs?.text).toBe(`{"content":[{"logprob":-1.0},{"logprob":-2.50}]}`);
});

test("pieces of completions are joined", () => {
  const deltas = joined({ index: 0, text: "a" }, { index: 0, text: "b", finish_reason: "length" });

  expect(deltas.choices()).toEqual([{ index: 0, text: "ab", finish_reason: "length" }]);
});

test("nothing is not whole", () => {
  expect(joined().isWhole()).toBe(false);
});
