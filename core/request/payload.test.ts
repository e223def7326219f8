import { expect, test } from "bun:test";

import { JsonText } from "../json/json-text.ts";
import { decodePayload, encodePayload } from "./payload.ts";

const MESSAGES = `[ {"role":"user","content":[{"type":"text","text":"caf\\u00e9"}],"n":1.0} ]`;
const TOOLS = `[{"2":12345678901234567890,"1":-0.0}]`;

test("what the caller wrote comes back as it was written", () => {
  const payload = {
    input: { messages: new JsonText(MESSAGES) },
    maxTokens: 10,
    n: 2,
    parameters: new Map([
      ["tools", new JsonText(TOOLS)],
      ["seed", new JsonText("9007199254740993")],
    ]),
    isStreamed: true,
  };

  const { input, parameters, ...rest } = decodePayload(encodePayload(payload));

  expect("messages" in input && input.messages.text).toBe(MESSAGES);
  expect([...parameters].map(([name, { text }]) => [name, text])).toEqual([
    ["tools", TOOLS],
    ["seed", "9007199254740993"],
  ]);
  expect(rest).toEqual({ maxTokens: 10, n: 2, isStreamed: true });
});

test("a payload that an older release sealed is read", () => {
  const old = { input: { prompt: "Why?" }, maxTokens: 5, n: 1, parameters: { temperature: 0.5 } };

  const payload = decodePayload(new TextEncoder().encode(JSON.stringify(old)));

  expect("prompt" in payload.input && payload.input.prompt.parse()).toBe("Why?");
  expect(payload.parameters.get("temperature")?.parse()).toBe(0.5);
  expect(payload.isStreamed).toBe(false);
});

test.each(["null", "[]", "{}", `{"input":{},"maxTokens":1,"n":1}`, `{"input":"x"}`])(
  "%s is no payload",
  (text) => {
    expect(() => decodePayload(new TextEncoder().encode(text))).toThrow();
  },
);
