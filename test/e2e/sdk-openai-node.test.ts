/** OpenAI's own client for Node, unchanged, does through the door what it does at OpenAI. */
import { expect } from "bun:test";

import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { openaiClient } from "../support/sdks/openai-client.ts";
import { billsOf } from "../support/sdks/bills.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";

const test = testsOnStack();

const ask = (content: string) => ({
  model: "sim-chat",
  max_tokens: 40,
  messages: [{ role: "user" as const, content }],
});
/** What Tollgate adds to an answer. */
interface Receipt {
  tollgate: { request_id: string; tokens: { held: number; used: number; given_back: number } };
}
const IMAGE = `data:image/png;base64,${Buffer.from("pixels").toString("base64")}`;

test("a chat brings the model's text, its usage and an id that the other routes know", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user);

  const chat = await client.chat.completions.create(ask("Why is the sky blue?"));

  const { text, promptTokens, completionTokens } = simulatedAnswer("Why is the sky blue?", 40);
  expect(chat.choices).toMatchObject([{ index: 0, message: { role: "assistant", content: text } }]);
  expect(chat.usage).toMatchObject({
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  });
  const requestId = chat._request_id ?? "";
  expect(chat.id).toBe(`chatcmpl-${requestId}`);
  expect(await stack.api(user).status(requestId)).toMatchObject({
    request_id: requestId,
    status: "completed",
    tokens: { total: promptTokens + completionTokens },
  });
});

test("the receipt of a chat says what was held and billed, as the ledger does", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user);

  const chat = await client.chat.completions.create(ask("What does this cost?"));

  const { request_id: requestId, tokens } = (chat as unknown as Receipt).tollgate;
  expect(requestId).toBe(chat._request_id ?? "");
  expect(tokens.used).toBe(chat.usage?.total_tokens ?? 0);
  expect(tokens.held - tokens.given_back).toBe(tokens.used);
  expect(await billsOf(stack, user)).toMatchObject([{ requestId, rows: 1, tokens: tokens.used }]);
});

test("each of n choices comes, and all are billed", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user);

  const chat = await client.chat.completions.create({ ...ask("Name a lamp"), n: 3 });

  expect(chat.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(new Set(chat.choices.map(({ message }) => message.content)).size).toBe(3);
  expect(await billsOf(stack, user)).toMatchObject([{ rows: 1, tokens: chat.usage?.total_tokens }]);
});

test("a text and its tokens are completed by the older route", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());
  const model = "sim-completions";

  const one = await client.completions.create({ model, prompt: "Name a river", max_tokens: 20 });
  const two = await client.completions.create({ model, prompt: [7, 42], max_tokens: 20, n: 2 });

  expect(one).toMatchObject({
    object: "text_completion",
    choices: [{ index: 0, text: simulatedAnswer("Name a river", 20).text }],
  });
  expect(two.choices.map(({ index }) => index)).toEqual([0, 1]);
  expect(two.usage?.prompt_tokens).toBe(2);
});

const weather = {
  type: "function" as const,
  function: {
    name: "weather",
    description: "How the weather is in a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};

test("a model calls tools, and no content comes beside the calls", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());

  const chat = await client.chat.completions.create({
    ...ask("How is the weather? [[sim:tool:2]]"),
    tools: [weather],
  });

  const [choice] = chat.choices;
  expect(choice?.finish_reason).toBe("tool_calls");
  expect(choice?.message.content).toBeNull();
  const calls = choice?.message.tool_calls ?? [];
  expect(calls).toMatchObject([{ type: "function", function: { name: "weather" } }, {}]);
  for (const call of calls)
    expect(call.type === "function" && JSON.parse(call.function.arguments)).toMatchObject({
      city: expect.any(String),
    });
});

test("runTools runs the tool, sends what it replied and brings the last answer", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user);
  const cities: string[] = [];

  const runner = client.chat.completions.runTools({
    ...ask("How is the weather? [[sim:tool]]"),
    tools: [
      {
        type: "function",
        function: {
          ...weather.function,
          parse: (text: string) => JSON.parse(text) as { city: string },
          function: ({ city }: { city: string }) => {
            cities.push(city);
            return "sunny";
          },
        },
      },
    ],
  });

  expect(await runner.finalContent()).toBe("The tool replied: sunny");
  expect(cities).toHaveLength(1);
  expect(await billsOf(stack, user)).toMatchObject([{ rows: 1 }, { rows: 1 }]);
});

test("a structured answer fits the schema that it was asked with", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());
  const Person = z.object({
    name: z.string(),
    age: z.number().int(),
    role: z.enum(["author", "reader"]),
    tags: z.array(z.string()),
  });

  const chat = await client.chat.completions.parse({
    ...ask("Who is it?"),
    max_tokens: 200,
    response_format: zodResponseFormat(Person, "person"),
  });

  const parsed = chat.choices[0]?.message.parsed;
  expect(Person.safeParse(parsed).success).toBe(true);
});

test("an image among the parts of a message reaches the model", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());

  const chat = await client.chat.completions.create({
    model: "sim-chat",
    max_tokens: 40,
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url: IMAGE, detail: "low" } },
        ],
      },
    ],
  });

  // For the simulator the kind of a part stands for what has no text.
  expect(chat.choices[0]?.message.content).toBe(
    simulatedAnswer("What is this?\n[image_url]", 40).text,
  );
});

test("vectors are the same as base64, which the client asks for by itself, and as numbers", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user);
  const wish = { model: "sim-embeddings", input: ["a bridge", "a river"], dimensions: 64 };

  const byDefault = await client.embeddings.create(wish);
  const numbers = await client.embeddings.create({ ...wish, encoding_format: "float" });

  expect(byDefault.data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);
  expect(Math.hypot(...(byDefault.data[0]?.embedding ?? []))).toBeCloseTo(1, 5);
  for (const [at, { embedding }] of byDefault.data.entries())
    expect([...embedding]).toEqual(numbers.data[at]?.embedding.map(Math.fround) ?? []);
  expect(byDefault.data[0]?.embedding).not.toEqual(byDefault.data[1]?.embedding);
  const tokens = byDefault.usage.total_tokens;
  expect(tokens).toBeGreaterThan(0);
  expect(await billsOf(stack, user)).toMatchObject([
    { rows: 1, tokens },
    { rows: 1, tokens },
  ]);
});

test("models are listed and retrieved", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());

  const names: string[] = [];
  for await (const { id } of client.models.list()) names.push(id);

  expect(names).toContain("sim-chat");
  expect(await client.models.retrieve("sim-chat")).toMatchObject({
    id: "sim-chat",
    object: "model",
  });
});

test("the books agree after all of this", async (stack) => {
  await stack.books.untilQuiet();

  const { differences, holdsOpen } = await stack.books.audit();

  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
});
