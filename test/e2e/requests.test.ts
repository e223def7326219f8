import { expect } from "bun:test";

import { testsOnStack } from "../support/stack/stack-tests.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";

const test = testsOnStack();
const MODELS = ["sim-chat", "sim-completions", "sim-json"] as const;

test("a request is completed, billed by what was used, and the rest is given back", async (stack) => {
  const user = await stack.addUser({ daily: { tokens: 1_000 } });
  const api = stack.api(user);

  const accepted = await api.generate({ prompt: "Why is the sky blue?", max_tokens: 100 });
  const heldOpen = await stack.books.quota.read(user.userId);
  const ended = await api.untilEnded(accepted.request_id);
  await stack.books.untilQuiet();
  const settled = await stack.books.quota.read(user.userId);

  const answer = simulatedAnswer("Why is the sky blue?", 100);
  const billed = answer.promptTokens + answer.completionTokens;
  expect(ended).toMatchObject({
    status: "completed",
    attempts: 1,
    result: { choices: [{ index: 0, text: answer.text }] },
    tokens: {
      estimated: accepted.estimated_tokens,
      prompt: answer.promptTokens,
      completion: answer.completionTokens,
      total: billed,
      refunded: accepted.estimated_tokens - billed,
    },
  });
  expect([accepted.estimated_tokens, billed]).toContain(heldOpen?.windows.daily.used.tokens ?? 0);
  expect(settled?.windows.daily.used).toEqual({ requests: 1, tokens: billed });
  expect(settled?.windows.monthly.used).toEqual({ requests: 1, tokens: billed });
  expect(settled?.windows.daily.held).toEqual({ requests: 0, tokens: 0 });
});

for (const model of MODELS)
  test(`a prompt is served through the protocol of ${model}`, async (stack) => {
    const api = stack.api(await stack.addUser());

    const accepted = await api.generate({ model, prompt: "Name a river", max_tokens: 20 });
    const ended = await api.untilEnded(accepted.request_id);

    const answer = simulatedAnswer("Name a river", 20);
    expect(ended.status).toBe("completed");
    expect(ended.result?.choices.map(({ text }) => text)).toEqual([answer.text]);
    expect(ended.tokens.completion).toBe(answer.completionTokens);
  });

test("a chat keeps its messages and is counted as a chat", async (stack) => {
  const api = stack.api(await stack.addUser());

  const accepted = await api.generate({
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Name a bridge" },
    ],
    max_tokens: 20,
  });
  const ended = await api.untilEnded(accepted.request_id);

  const answer = simulatedAnswer("Be brief.\nName a bridge", 20);
  expect(ended.result?.choices[0]?.text).toBe(answer.text);
  expect(accepted.estimated_tokens).toBeGreaterThan(20);
});

test("every choice of a request with n above 1 is returned, held and billed", async (stack) => {
  const api = stack.api(await stack.addUser());

  const one = await api.generate({ prompt: "Name a lamp", max_tokens: 30 });
  const three = await api.generate({ prompt: "Name a lamp", max_tokens: 30, n: 3 });
  const ended = await api.untilEnded(three.request_id);

  expect(three.estimated_tokens - one.estimated_tokens).toBe(60);
  expect(ended.result?.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(ended.tokens.completion ?? 0).toBeGreaterThan(30);
});

test("metadata comes back as it was given", async (stack) => {
  const api = stack.api(await stack.addUser());
  const metadata = { ticket: "A-1", nested: { list: [1, 2, null] } };

  const accepted = await api.generate({ prompt: "Name a stone", metadata });

  expect((await api.status(accepted.request_id)).metadata).toEqual(metadata);
});

test("an attempt that fails is made again until it succeeds, and billed once", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);

  const accepted = await api.generate({ prompt: "try [[sim:fail-times:2]]", max_tokens: 30 });
  const ended = await api.untilEnded(accepted.request_id);
  await stack.books.untilQuiet();

  expect(ended).toMatchObject({ status: "completed", attempts: 3 });
  const snapshot = await stack.books.quota.read(user.userId);
  expect(snapshot?.windows.daily.used).toEqual({ requests: 1, tokens: ended.tokens.total ?? -1 });
});

test("a request out of attempts fails, gives its tokens back and is a dead letter", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);

  const accepted = await api.generate({ prompt: "never [[sim:500]]" });
  const ended = await api.untilEnded(accepted.request_id);
  await stack.books.untilQuiet();

  expect(ended).toMatchObject({
    status: "failed",
    attempts: 4,
    error: { code: "UPSTREAM_FAILED" },
    tokens: { total: null, refunded: accepted.estimated_tokens },
  });
  const dead = await stack.books.messages("inference_requests.dead");
  expect(dead.map(({ messageId }) => messageId)).toContain(accepted.request_id);
  const snapshot = await stack.books.quota.read(user.userId);
  expect(snapshot?.windows.daily.used).toEqual({ requests: 1, tokens: 0 });
});

test("the books agree after all of this", async (stack) => {
  await stack.books.untilQuiet();

  const { differences, holdsOpen } = await stack.books.audit();

  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
});
