/** LangChain's client for OpenAI, unchanged. */
import { expect } from "bun:test";

import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";

import { billsOf } from "../support/sdks/bills.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";

const test = testsOnStack();

const chatOf = (stack: TestStack, { apiKey }: Pick<TestUser, "apiKey">): ChatOpenAI =>
  new ChatOpenAI({
    model: "sim-chat",
    apiKey,
    maxTokens: 40,
    configuration: { baseURL: `${stack.url}/v1` },
  });

const weather = tool(({ city }: { city: string }) => `sunny in ${city.length} letters`, {
  name: "weather",
  description: "How the weather is in a city.",
  schema: z.object({ city: z.string() }),
});

test("a chat brings the model's text, its usage and the durable id", async (stack) => {
  const user = await stack.addUser();
  const prompt = "Why is the sky blue?";

  const answer = await chatOf(stack, user).invoke(prompt);

  const { text, promptTokens, completionTokens } = simulatedAnswer(prompt, 40);
  expect(answer.text).toBe(text);
  expect(answer.usage_metadata).toMatchObject({
    input_tokens: promptTokens,
    output_tokens: completionTokens,
  });
  const [bill] = await billsOf(stack, user);
  expect(bill).toMatchObject({ rows: 1, tokens: promptTokens + completionTokens });
  expect(answer.id).toBe(`chatcmpl-${bill?.requestId}`);
});

test("a tool is called, and its reply is answered", async (stack) => {
  const chat = chatOf(stack, await stack.addUser()).bindTools([weather]);
  const question = new HumanMessage("How is the weather? [[sim:tool]]");

  const asked = await chat.invoke([question]);
  const replies = await Promise.all((asked.tool_calls ?? []).map((call) => weather.invoke(call)));
  const answer = await chat.invoke([question, asked, ...replies]);

  expect(asked.tool_calls).toMatchObject([{ name: "weather" }]);
  expect(replies).toEqual([expect.any(ToolMessage)]);
  expect(answer.text).toMatch(/^The tool replied: sunny in \d+ letters$/);
});

test("a structured answer fits its schema", async (stack) => {
  const schema = z.object({ name: z.string(), age: z.number().int() });
  const chat = chatOf(stack, await stack.addUser()).withStructuredOutput(schema, {
    method: "jsonSchema",
  });

  const answer = await chat.invoke("Who is it?");

  expect(schema.safeParse(answer).success).toBe(true);
});

test("vectors come, a whole batch by one request", async (stack) => {
  const user = await stack.addUser();
  const embeddings = new OpenAIEmbeddings({
    model: "sim-embeddings",
    apiKey: user.apiKey,
    configuration: { baseURL: `${stack.url}/v1` },
  });

  const vectors = await embeddings.embedDocuments(["a bridge", "a river"]);

  expect(vectors.map((vector) => vector.length)).toEqual([256, 256]);
  expect(Math.hypot(...(vectors[0] ?? []))).toBeCloseTo(1, 5);
  expect(await billsOf(stack, user)).toMatchObject([{ rows: 1 }]);
});
