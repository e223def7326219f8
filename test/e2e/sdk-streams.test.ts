/** Answers in pieces, as the unchanged clients of OpenAI, Vercel and LangChain put them together. */
import { expect } from "bun:test";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { AIMessageChunk, UsageMetadata } from "@langchain/core/messages";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { isStepCount, Output, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

import { billsOf } from "../support/sdks/bills.ts";
import { openaiClient, openaiErrorOf } from "../support/sdks/openai-client.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";

const TOKEN_MS = 10;
const test = testsOnStack({
  simulator: { token_ms: TOKEN_MS },
  settings: { models: { "sim-chat": { timeout_ms: 20_000 } } },
});

const ask = (content: string) => ({
  model: "sim-chat",
  max_tokens: 100,
  messages: [{ role: "user" as const, content }],
});
const City = z.object({ city: z.string() });
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

test("the pieces of a chat come as they are made and are the text; the usage comes last", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user);
  const prompt = "Stream it, please";
  const pieceAtMs: number[] = [];
  const chunks: OpenAI.ChatCompletionChunk[] = [];

  const stream = await client.chat.completions.create({
    ...ask(prompt),
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    chunks.push(chunk);
    pieceAtMs.push(performance.now());
  }

  const { text, promptTokens, completionTokens } = simulatedAnswer(prompt, 100);
  const tokens = promptTokens + completionTokens;
  const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
  expect(deltas.map(({ content }) => content ?? "").join("")).toBe(text);
  expect(deltas.filter(({ role }) => role !== undefined)).toHaveLength(1);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: tokens } });
  // Some come long before the last: nothing waits for the end.
  const halfMs = (completionTokens * TOKEN_MS) / 2;
  const lastAtMs = pieceAtMs.at(-1) ?? 0;
  expect(pieceAtMs.filter((ms) => lastAtMs - ms > halfMs).length).toBeGreaterThan(1);
  const [bill] = await billsOf(stack, user);
  expect(bill).toMatchObject({ rows: 1, tokens });
  expect(new Set(chunks.map(({ id }) => id))).toEqual(new Set([`chatcmpl-${bill?.requestId}`]));
});

test("without being asked for, no usage comes, and every piece has a choice", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());

  const stream = await client.chat.completions.create({ ...ask("No usage"), stream: true });
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);

  expect(chunks.every(({ choices }) => choices.length > 0)).toBe(true);
  expect(chunks.every(({ usage }) => usage === undefined || usage === null)).toBe(true);
});

test("the stream helper puts the choices of n together", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user);

  const stream = client.chat.completions.stream({
    ...ask("Name a lamp"),
    n: 3,
    stream_options: { include_usage: true },
  });
  const chat = await stream.finalChatCompletion();

  expect(chat.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(chat.choices[0]?.message).toMatchObject({
    role: "assistant",
    content: simulatedAnswer("Name a lamp", 100).text,
  });
  expect(new Set(chat.choices.map(({ message }) => message.content)).size).toBe(3);
  expect(await billsOf(stack, user)).toMatchObject([{ rows: 1, tokens: chat.usage?.total_tokens }]);
});

test("the stream helper puts several calls of tools together", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());

  const stream = client.chat.completions.stream({
    ...ask("How is the weather? [[sim:tool:2]]"),
    tools: [weather],
  });
  const chat = await stream.finalChatCompletion();

  const [choice] = chat.choices;
  expect(choice?.finish_reason).toBe("tool_calls");
  const calls = choice?.message.tool_calls ?? [];
  expect(calls.map((call) => call.type === "function" && call.function.name)).toEqual([
    "weather",
    "weather",
  ]);
  for (const call of calls)
    expect(
      City.safeParse(call.type === "function" && JSON.parse(call.function.arguments)).success,
    ).toBe(true);
});

test("runTools streams through a call of a tool to the last answer", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());

  const runner = client.chat.completions.runTools({
    ...ask("How is the weather? [[sim:tool]]"),
    stream: true,
    tools: [
      {
        type: "function",
        function: {
          ...weather.function,
          parse: (text: string) => City.parse(JSON.parse(text)),
          function: () => "sunny",
        },
      },
    ],
  });

  expect(await runner.finalContent()).toBe("The tool replied: sunny");
});

test("the older route streams its text", async (stack) => {
  const { client } = openaiClient(stack, await stack.addUser());
  const prompt = "Name a river";

  const stream = await client.completions.create({
    model: "sim-completions",
    prompt,
    max_tokens: 20,
    stream: true,
  });
  let text = "";
  for await (const { choices } of stream) text += choices[0]?.text ?? "";

  expect(text).toBe(simulatedAnswer(prompt, 20).text);
});

test("a refusal comes as a status before the stream, a failure as an error in it", async (stack) => {
  const spent = openaiClient(stack, await stack.addUser({ daily: { requests: 0 } }));
  const user = await stack.addUser();
  const { client, sent } = openaiClient(stack, user);

  const refused = await openaiErrorOf(
    spent.client.chat.completions.create({ ...ask("none left"), stream: true }),
  );
  const failed = await openaiErrorOf(client.chat.completions.stream(ask("bad [[sim:422]]")).done());

  expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
  expect(failed.message).toContain("temperature must be at most 2");
  expect(sent).toHaveLength(1);
  expect(await billsOf(stack, user)).toMatchObject([{ state: "failed" }]);
});

test("the request of a caller who leaves in the middle of a stream is cancelled soon", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user);

  const stream = await client.chat.completions.create({
    ...ask("leave it [[sim:stall:15000]]"),
    stream: true,
  });
  let text = "";
  for await (const { id, choices } of stream) {
    text += choices[0]?.delta.content ?? "";
    // Leaving the loop closes the connection.
    if (text !== "") {
      text = id;
      break;
    }
  }

  const ended = await stack.api(user).untilEnded(text.replace("chatcmpl-", ""), 8_000);
  expect(ended.status).toBe("cancelled");
});

const optionsOf = (stack: TestStack, { apiKey }: Pick<TestUser, "apiKey">) => ({
  baseURL: `${stack.url}/v1`,
  apiKey,
});
const WAYS = {
  "@ai-sdk/openai-compatible": (stack: TestStack, user: Pick<TestUser, "apiKey">) =>
    createOpenAICompatible({
      name: "tollgate",
      includeUsage: true,
      supportsStructuredOutputs: true,
      ...optionsOf(stack, user),
    }).chatModel("sim-chat"),
  "@ai-sdk/openai": (stack: TestStack, user: Pick<TestUser, "apiKey">) =>
    createOpenAI(optionsOf(stack, user)).chat("sim-chat"),
};

for (const [name, modelOf] of Object.entries(WAYS)) {
  test(`${name}: streamText brings the text and the usage that is billed`, async (stack) => {
    const user = await stack.addUser();
    const prompt = "Why is the sky blue?";

    const answer = streamText({ model: modelOf(stack, user), prompt, maxOutputTokens: 40 });
    let text = "";
    for await (const piece of answer.textStream) text += piece;

    expect(text).toBe(simulatedAnswer(prompt, 40).text);
    const { totalTokens: tokens } = await answer.usage;
    expect(await billsOf(stack, user)).toMatchObject([{ rows: 1, tokens }]);
  });

  test(`${name}: streamText calls a tool and streams the last answer`, async (stack) => {
    const answer = streamText({
      model: modelOf(stack, await stack.addUser()),
      prompt: "How is the weather? [[sim:tool]]",
      tools: { weather: tool({ inputSchema: City, execute: () => Promise.resolve("sunny") }) },
      stopWhen: isStepCount(3),
    });

    expect(await answer.text).toMatch(/^The tool replied: .*sunny/);
    expect(await answer.steps).toHaveLength(2);
  });

  test(`${name}: streamText puts an object together that fits its schema`, async (stack) => {
    const schema = z.object({ name: z.string(), age: z.number().int() });

    const answer = streamText({
      model: modelOf(stack, await stack.addUser()),
      prompt: "Who is it?",
      output: Output.object({ schema }),
    });

    expect(schema.safeParse(await answer.output).success).toBe(true);
  });
}

const chatOf = (stack: TestStack, { apiKey }: TestUser): ChatOpenAI =>
  new ChatOpenAI({
    model: "sim-chat",
    apiKey,
    maxTokens: 100,
    configuration: { baseURL: `${stack.url}/v1` },
  });

/** The whole that the pieces come to. */
async function joined(pieces: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk | undefined> {
  const [first, ...more] = await Array.fromAsync(pieces);
  return more.reduce<AIMessageChunk | undefined>((whole, piece) => whole?.concat(piece), first);
}

test("LangChain's stream brings the text and the usage that is billed", async (stack) => {
  const user = await stack.addUser();
  const prompt = "Why is the sky blue?";

  const whole = await joined(await chatOf(stack, user).stream(prompt));

  const usage = whole?.usage_metadata as UsageMetadata | undefined;
  expect(whole?.text).toBe(simulatedAnswer(prompt, 100).text);
  expect(await billsOf(stack, user)).toMatchObject([{ rows: 1, tokens: usage?.total_tokens }]);
});

test("LangChain's stream puts the calls of tools together", async (stack) => {
  const chat = chatOf(stack, await stack.addUser()).bindTools([
    langchainTool(() => "sunny", { name: "weather", description: "The weather.", schema: City }),
  ]);

  const whole = await joined(await chat.stream("How is the weather? [[sim:tool:2]]"));

  const call = { name: "weather", args: { city: expect.any(String) } };
  expect(whole?.tool_calls).toMatchObject([call, call]);
});

test("the books agree after all of this", async (stack) => {
  await stack.books.untilQuiet();

  const { differences, holdsOpen } = await stack.books.audit();

  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
});
