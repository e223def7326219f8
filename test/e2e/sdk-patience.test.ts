/** Clients that repeat a call by themselves and do not say so. */
import { expect } from "bun:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";

import { billsOf } from "../support/sdks/bills.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";

const test = testsOnStack({
  settings: {
    openai: { wait_seconds_max: 1 },
    models: { "sim-chat": { timeout_ms: 20_000 } },
  },
});

const WAYS = { "given a key": { "Idempotency-Key": crypto.randomUUID() }, "as it is": {} };
for (const [way, headers] of Object.entries(WAYS)) {
  test(`the AI SDK, ${way}, gets an answer that takes longer than a call is held`, async (stack) => {
    const user = await stack.addUser();
    const prompt = "slow [[sim:slow:1800]]";
    const tollgate = createOpenAICompatible({
      name: "tollgate",
      baseURL: `${stack.url}/v1`,
      apiKey: user.apiKey,
    });

    const answer = await generateText({
      model: tollgate.chatModel("sim-chat"),
      prompt,
      maxOutputTokens: 40,
      headers,
    });

    expect(answer.text).toBe(simulatedAnswer(prompt, 40).text);
    expect(await billsOf(stack, user)).toMatchObject([{ attempts: 1, rows: 1 }]);
  });
}
