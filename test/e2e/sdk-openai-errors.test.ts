/** What OpenAI's own client makes of refusals, failures and slowness. */
import { expect } from "bun:test";

import OpenAI from "openai";

import { billsOf } from "../support/sdks/bills.ts";
import {
  openaiClient,
  openaiErrorOf as errorOf,
  type SentCall,
} from "../support/sdks/openai-client.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";

const test = testsOnStack({ settings: { models: { "sim-chat": { timeout_ms: 20_000 } } } });

const ask = (content: string, more: object = {}) => ({
  model: "sim-chat",
  max_tokens: 20,
  messages: [{ role: "user" as const, content }],
  ...more,
});

const statusesOf = (sent: readonly SentCall[]): (number | null)[] =>
  sent.map(({ status }) => status);

test("a wrong key is an AuthenticationError that says so, asked once", async (stack) => {
  const { client, sent } = openaiClient(stack, { apiKey: "tg_wrong" });

  const error = await errorOf(client.chat.completions.create(ask("hello")));

  expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
  expect(error).toMatchObject({
    status: 401,
    type: "authentication_error",
    code: "invalid_api_key",
  });
  expect(error.message).toMatch(/^401 .*key/i);
  expect(statusesOf(sent)).toEqual([401]);
});

test("an unknown model is a NotFoundError that names it, asked once", async (stack) => {
  const { client, sent } = openaiClient(stack, await stack.addUser());

  const error = await errorOf(client.chat.completions.create(ask("hello", { model: "gpt-none" })));
  const retrieved = await errorOf(client.models.retrieve("gpt/none"));

  expect(error).toBeInstanceOf(OpenAI.NotFoundError);
  expect(error.code).toBe("model_not_found");
  expect(error.message).toMatch(/^404 .*model/);
  expect(retrieved).toMatchObject({ status: 404, code: "model_not_found" });
  expect(statusesOf(sent)).toEqual([404, 404]);
});

test("a field that is not valid is named by the error, asked once", async (stack) => {
  const { client, sent } = openaiClient(stack, await stack.addUser());

  const error = await errorOf(client.chat.completions.create(ask("hello", { n: 0 })));

  expect(error).toBeInstanceOf(OpenAI.UnprocessableEntityError);
  expect(error).toMatchObject({ type: "invalid_request_error", param: "n" });
  expect(error.message).toMatch(/^422 .*\bn\b/);
  expect(statusesOf(sent)).toEqual([422]);
});

test("a spent quota is a RateLimitError with the numbers, and is not tried again in vain", async (stack) => {
  const user = await stack.addUser({ daily: { requests: 1 } });
  const { client, sent } = openaiClient(stack, user);
  await client.chat.completions.create(ask("the only one"));

  const error = await errorOf(client.chat.completions.create(ask("one too many")));

  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  expect(error).toMatchObject({ type: "insufficient_quota", code: "insufficient_quota" });
  expect(error.message).toMatch(/^429 .*daily requests: 1 of 1/);
  expect(Number(error.headers?.get("retry-after"))).toBeGreaterThan(0);
  expect(statusesOf(sent)).toEqual([200, 429]);
});

test("a failure of the model is told in its words, and the client does not repeat it", async (stack) => {
  const user = await stack.addUser();
  const { client, sent } = openaiClient(stack, user);

  const error = await errorOf(client.chat.completions.create(ask("bad [[sim:422]]")));

  expect(error.status).toBeGreaterThanOrEqual(400);
  expect(error.message).toContain("temperature must be at most 2");
  expect(error.requestID).toBe((await billsOf(stack, user))[0]?.requestId ?? "");
  expect(sent).toHaveLength(1);
});

/** The SDK tells the door a limit of one call; that of all its calls it keeps to itself. */
const LIMITS = [
  { of: "all its calls", client: { timeout: 5_000 }, call: {}, first: null },
  { of: "a call", client: {}, call: { timeout: 5_000 }, first: 408 },
];
for (const { of, client: options, call, first } of LIMITS)
  test(`a client that limits ${of} to 5 s gets one of 6.5 s, executed and billed once`, async (stack) => {
    const user = await stack.addUser();
    const { client, sent } = openaiClient(stack, user, options);
    const { calls } = await stack.simulator.stats();
    const prompt = `slow for ${of} [[sim:slow:6500]]`;

    const chat = await client.chat.completions.create(ask(prompt), call);

    expect(chat.choices[0]?.message.content).toBe(simulatedAnswer(prompt, 20).text);
    expect(sent.map(({ retryCount }) => retryCount)).toEqual(["0", "1"]);
    expect(statusesOf(sent)).toEqual([first, 200]);
    expect((await stack.simulator.stats()).calls - calls).toBe(1);
    expect(await billsOf(stack, user)).toMatchObject([
      { requestId: chat._request_id, state: "completed", attempts: 1, rows: 1 },
    ]);
  });

test("a client without retries is told by its error where the answer will be", async (stack) => {
  const user = await stack.addUser();
  const { client, sent } = openaiClient(stack, user, { maxRetries: 0 });

  const error = await errorOf(
    client.chat.completions.create(ask("patience [[sim:slow:4000]]"), {
      timeout: 2_000,
      headers: { "X-Tollgate-On-Disconnect": "keep" },
    }),
  );

  expect(error.status).toBe(408);
  const requestId = error.requestID ?? "";
  expect(error.message).toContain(requestId);
  expect(statusesOf(sent)).toEqual([408]);
  expect(await stack.api(user).untilEnded(requestId)).toMatchObject({ status: "completed" });
});

test("calls that look alike are as many requests, though each is repeated", async (stack) => {
  const user = await stack.addUser();
  const { client } = openaiClient(stack, user, { timeout: 2_000, maxRetries: 5 });
  const same = ask("the same twice [[sim:slow:2500]]");

  const chats = await Promise.all([same, same].map((body) => client.chat.completions.create(body)));

  expect(new Set(chats.map(({ id }) => id)).size).toBe(2);
  expect(await billsOf(stack, user)).toMatchObject([
    { attempts: 1, rows: 1 },
    { attempts: 1, rows: 1 },
  ]);
});

test("the books agree after all of this", async (stack) => {
  await stack.books.untilQuiet();

  const { differences, holdsOpen } = await stack.books.audit();

  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
});
