import { expect, test } from "bun:test";

import { JsonText } from "../json/json-text.ts";
import { contentOf, promptsOf } from "./content.ts";
import { promptTokens } from "./estimate.ts";

test("texts, tool calls, names and tools are counted as text, pictures by themselves", () => {
  const messages = JsonText.of([
    { role: "system", content: "Be short." },
    {
      role: "user",
      name: "ann",
      content: [
        { type: "text", text: "What is this?" },
        { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
        { type: "file", file: { file_id: "f" } },
      ],
    },
    { role: "assistant", content: null, tool_calls: [{ id: "c1", function: { name: "look" } }] },
    { role: "tool", tool_call_id: "c1", content: "" },
  ]);
  const tools = new JsonText('[{"type":"function"}]');

  const content = contentOf(
    { messages },
    new Map([
      ["tools", tools],
      ["seed", new JsonText("1")],
    ]),
  );

  expect(content).toEqual({
    texts: [
      "Be short.",
      "What is this?",
      "ann",
      '[{"id":"c1","function":{"name":"look"}}]',
      "",
      tools.text,
    ],
    messages: 4,
    tokens: 0,
    media: 2,
  });
  expect(promptTokens(content, 10, 500)).toBe(10 + 4 * 4 + 3 + 2 * 500);
});

test("several prompts and lists of tokens are counted, and each prompt is answered", () => {
  const of = (prompt: unknown) => ({ prompt: JsonText.of(prompt) });

  expect(contentOf(of(["a", "b"]))).toMatchObject({ texts: ["a", "b"], tokens: 0 });
  expect(contentOf(of([1, 2, 3]))).toMatchObject({ texts: [], tokens: 3 });
  expect(contentOf(of([[1, 2], [3]]))).toMatchObject({ tokens: 3 });
  expect([of("a"), of(["a", "b"]), of([1, 2, 3]), of([[1, 2], [3]])].map(promptsOf)).toEqual([
    1, 2, 1, 2,
  ]);
});
