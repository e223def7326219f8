/** The AI SDK of Vercel, unchanged, by both of its ways to an OpenAI-like service. */
import { expect } from "bun:test";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, isStepCount, Output, tool } from "ai";
import { z } from "zod";

import { billsOf } from "../support/sdks/bills.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";

const test = testsOnStack();

const MODEL = "sim-chat";
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
    }).chatModel(MODEL),
  "@ai-sdk/openai": (stack: TestStack, user: Pick<TestUser, "apiKey">) =>
    createOpenAI(optionsOf(stack, user)).chat(MODEL),
};

for (const [name, modelOf] of Object.entries(WAYS)) {
  test(`${name}: a text comes with its usage and the durable id`, async (stack) => {
    const user = await stack.addUser();
    const prompt = "Why is the sky blue?";

    const answer = await generateText({ model: modelOf(stack, user), prompt, maxOutputTokens: 40 });

    const { text, promptTokens, completionTokens } = simulatedAnswer(prompt, 40);
    expect(answer.text).toBe(text);
    expect(answer.usage).toMatchObject({
      inputTokens: promptTokens,
      outputTokens: completionTokens,
    });
    const tokens = promptTokens + completionTokens;
    const [bill, ...more] = await billsOf(stack, user);
    expect(bill).toMatchObject({ rows: 1, tokens });
    expect(more).toEqual([]);
    expect(answer.response.id).toBe(`chatcmpl-${bill?.requestId}`);
  });

  test(`${name}: a tool is called, its reply is sent and the last answer comes`, async (stack) => {
    const user = await stack.addUser();

    const answer = await generateText({
      model: modelOf(stack, user),
      prompt: "How is the weather? [[sim:tool]]",
      tools: {
        weather: tool({
          inputSchema: z.object({ city: z.string() }),
          execute: async ({ city }) => `sunny in ${city.length} letters`,
        }),
      },
      stopWhen: isStepCount(3),
    });

    expect(answer.steps).toHaveLength(2);
    expect(answer.text).toMatch(/^The tool replied: .*sunny in \d+ letters/);
    expect(await billsOf(stack, user)).toMatchObject([{ rows: 1 }, { rows: 1 }]);
  });

  test(`${name}: an object fits its schema`, async (stack) => {
    const schema = z.object({ name: z.string(), age: z.number().int() });

    const { output } = await generateText({
      model: modelOf(stack, await stack.addUser()),
      prompt: "Who is it?",
      output: Output.object({ schema }),
    });

    expect(schema.safeParse(output).success).toBe(true);
  });

  test(`${name}: a spent quota is an error with the numbers`, async (stack) => {
    const user = await stack.addUser({ daily: { requests: 0 } });

    // It repeats every 429 for as often as it may, whatever the answer says.
    const call = generateText({ model: modelOf(stack, user), prompt: "hello", maxRetries: 0 });
    const error = await call.catch((thrown: unknown) => thrown);

    expect(APICallError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ statusCode: 429 });
    expect(String(error)).toContain("daily requests: 0 of 0");
  });
}

test("vectors come by embedMany, and are billed once", async (stack) => {
  const user = await stack.addUser();
  const model = createOpenAICompatible({
    name: "tollgate",
    ...optionsOf(stack, user),
  }).embeddingModel("sim-embeddings");

  const { embeddings, usage } = await embedMany({ model, values: ["a bridge", "a river"] });

  expect(embeddings.map((vector) => vector.length)).toEqual([256, 256]);
  expect(await billsOf(stack, user)).toMatchObject([{ rows: 1, tokens: usage.tokens }]);
});
