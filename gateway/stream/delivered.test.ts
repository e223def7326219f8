import { expect, test } from "bun:test";

import { JsonText } from "../../core/json/json-text.ts";
import { createDelivered } from "./delivered.ts";

const delta = (value: object, more: object = {}) =>
  JsonText.of([{ index: 0, delta: value, ...more }]);
const choice = (text: string, more: object = {}) => ({
  index: 0,
  text,
  finish_reason: "stop",
  ...more,
});

test("pieces are sent on as they were written", () => {
  const delivered = createDelivered();
  const piece = new JsonText('[{"index":0,"delta":{"content":"a"},"logprobs":{"x":-1.0}}]');

  expect(delivered.take(piece)).toBe(piece);
});

test("what is missing at the end comes from the result", () => {
  const delivered = createDelivered();
  delivered.take(delta({ role: "assistant", content: "one" }));

  expect(delivered.restOf([choice("one two")], "chat")?.parse()).toEqual([
    { index: 0, delta: { content: " two" }, finish_reason: "stop" },
  ]);
});

test("nothing is missing of a choice that has said why it ended", () => {
  const delivered = createDelivered();
  delivered.take(delta({ content: "one" }, { finish_reason: "stop" }));

  expect(delivered.restOf([choice("one")], "chat")?.text).toBe("[]");
});

test("of an answer of which nothing came all of it is sent, tool calls with the index of pieces", () => {
  const message = new JsonText(
    '{"role":"assistant","content":null,"tool_calls":[{"id":"c","n":1.0}]}',
  );

  const rest = createDelivered().restOf([choice("", { message })], "chat");

  expect(rest?.text).toContain('"tool_calls":[{"index":0,"id":"c","n":1.0}]');
  expect(
    createDelivered()
      .restOf([choice("hi")], "text")
      ?.parse(),
  ).toEqual([{ index: 0, text: "hi", finish_reason: "stop" }]);
});

test("of a tool call that came in part nobody knows the rest", () => {
  const delivered = createDelivered();
  delivered.take(delta({ tool_calls: [{ index: 0, function: { arguments: '{"a' } }] }));

  expect(delivered.restOf([choice("", { message: new JsonText("{}") })], "chat")).toBeNull();
  expect(delivered.hasSaid()).toBe(true);
});

test("another execution does not say the role again, which clients would join", () => {
  const delivered = createDelivered();
  delivered.take(delta({ role: "assistant", content: "" }));
  delivered.goOn();

  const taken = delivered.take(delta({ role: "assistant", content: "a" }));

  expect(delivered.hasSaid()).toBe(true);
  expect(taken.parse()).toEqual([{ index: 0, delta: { content: "a" } }]);
});
