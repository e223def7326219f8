import { afterAll, describe, expect, test } from "bun:test";

import { codeOf, startMlServer } from "../../test/support/ml-server.ts";

const ml = startMlServer();
afterAll(() => ml.stop());

const chatReply = (usage: unknown = { prompt_tokens: 3, completion_tokens: 2 }) => ({
  choices: [
    { index: 0, message: { role: "assistant", content: "Because." }, finish_reason: "stop" },
  ],
  usage,
});

describe("the protocol openai-chat", () => {
  test("sends a prompt as one message, with the cap and n above the caller's parameters", async () => {
    const parameters = {
      temperature: 0.5,
      max_tokens: 9_999,
      max_completion_tokens: 9_999,
      max_new_tokens: 9_999,
      num_predict: 9_999,
      n: 50,
      suffix: "and so on",
      echo: true,
      stream: true,
      model: "big",
    };

    await ml.infer(() => Response.json(chatReply()), {}, { parameters });

    expect(ml.seen.at(-1)?.body).toEqual({
      temperature: 0.5,
      model: "small",
      max_tokens: 10,
      n: 1,
      stream: false,
      messages: [{ role: "user", content: "Why?" }],
    });
  });

  test("sends messages as they are, the bearer token and the model's own name", async () => {
    const messages = [{ role: "system", content: "Be short." } as const];

    await ml.infer(
      () => Response.json(chatReply()),
      { api_key_env: "ML_KEY", headers: { "x-team": "a" }, upstream_model: "vendor/small-v2" },
      { input: { messages } },
    );

    expect(ml.seen.at(-1)?.body).toMatchObject({ messages, model: "vendor/small-v2" });
    expect(ml.seen.at(-1)?.headers.get("authorization")).toBe("Bearer secret");
    expect(ml.seen.at(-1)?.headers.get("x-team")).toBe("a");
  });

  test("does not call without the bearer token that the model needs", async () => {
    const callsBefore = ml.seen.length;

    const outcome = await ml.infer(() => Response.json(chatReply()), { api_key_env: "UNSET_KEY" });

    expect(outcome).toMatchObject({ ok: false, code: "UPSTREAM_REFUSED" });
    expect(ml.seen).toHaveLength(callsBefore);
  });

  test("reads the choices and the usage", async () => {
    expect(await ml.infer(() => Response.json(chatReply()))).toEqual({
      ok: true,
      choices: [{ index: 0, text: "Because.", finish_reason: "stop" }],
      usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0 },
    });
  });

  test("takes no more choices than were paid for, and a reply without content as an empty one", async () => {
    const choice = { message: { content: null }, finish_reason: "length" };

    const outcome = await ml.infer(
      () => Response.json({ choices: [choice, choice, choice] }),
      {},
      { n: 2 },
    );

    expect(outcome).toMatchObject({
      choices: [
        { index: 0, text: "", finish_reason: "length" },
        { index: 1, text: "" },
      ],
      usage: null,
    });
  });
});

test("the protocol openai-completions renders messages into one prompt", async () => {
  const reply = { choices: [{ text: " So.", finish_reason: null }], usage: chatReply().usage };

  const outcome = await ml.infer(
    () => Response.json(reply),
    { protocol: "openai-completions" },
    { input: { messages: [{ role: "user", content: "Why?" }] } },
  );

  expect(ml.seen.at(-1)?.body).toMatchObject({
    prompt: "User: Why?\n\nAssistant:",
    max_tokens: 10,
  });
  expect(outcome).toEqual({
    ok: true,
    choices: [{ index: 0, text: " So.", finish_reason: null }],
    usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0 },
  });
});

describe("a reported usage that cannot be true is not believed", () => {
  test.each([
    ["absent", undefined],
    ["null", null],
    ["negative", { prompt_tokens: -3, completion_tokens: -2 }],
    ["huge", { prompt_tokens: 1e15, completion_tokens: 1e15 }],
    ["fractional", { prompt_tokens: 1.5, completion_tokens: 2 }],
    ["textual", { prompt_tokens: "3", completion_tokens: "2" }],
    ["half", { prompt_tokens: 3 }],
    ["a list", [3, 2]],
  ])("%s", async (_name, usage) => {
    const reply = { ...chatReply(), usage };

    expect(await ml.infer(() => Response.json(reply))).toMatchObject({ ok: true, usage: null });
  });
});

describe("the protocol json", () => {
  const mapping = {
    request:
      '{ "inputs": prompt, "limit": max_tokens, "t": parameters.temperature, "model": model }',
    text: "results.output",
    prompt_tokens: "meta.in",
    completion_tokens: "meta.out",
    finish_reason: "results.why",
    retryable: 'status = 422 ? body.code = "warming" : null',
  };
  const json = { protocol: "json", mapping } as const;

  test("builds the request and reads the reply by expressions", async () => {
    const reply = {
      results: [
        { output: "a", why: "stop" },
        { output: "b", why: "length" },
      ],
      meta: { in: 4, out: 6 },
    };

    const outcome = await ml.infer(() => Response.json(reply), json, {
      n: 2,
      parameters: { temperature: 0.1 },
    });

    expect(ml.seen.at(-1)?.body).toEqual({ inputs: "Why?", limit: 10, t: 0.1, model: "small" });
    expect(outcome).toEqual({
      ok: true,
      choices: [
        { index: 0, text: "a", finish_reason: "stop" },
        { index: 1, text: "b", finish_reason: "length" },
      ],
      usage: { promptTokens: 4, completionTokens: 6, cachedTokens: 0, reasoningTokens: 0 },
    });
  });

  test.each([
    ["no text", {}],
    ["a text that is none", { results: { output: 7 } }],
  ])("finds a reply with %s invalid", async (_name, reply) => {
    expect(codeOf(await ml.infer(() => Response.json(reply), json))).toBe("UPSTREAM_REPLY_INVALID");
  });

  test.each([
    [422, { code: "warming" }, "UPSTREAM_FAILED"],
    [422, { code: "never" }, "UPSTREAM_REJECTED"],
    [500, {}, "UPSTREAM_FAILED"],
  ])(
    "lets the mapping decide whether status %d with %j may be retried",
    async (status, body, code) => {
      expect(codeOf(await ml.infer(() => Response.json(body, { status }), json))).toBe(code);
    },
  );

  test("stops an expression that does not end", async () => {
    const endless = { ...mapping, text: "($f := function($x) { $f($x + 1) }; $f(1))" };

    const outcome = await ml.infer(() => Response.json({}), { ...json, mapping: endless });

    expect(codeOf(outcome)).toBe("UPSTREAM_REPLY_INVALID");
  });

  test.each([
    ["does not compile", "(("],
    ["makes nothing", "nothing.there"],
  ])("refuses a request whose mapping %s, without a call", async (_name, request) => {
    const callsBefore = ml.seen.length;

    const outcome = await ml.infer(() => Response.json({}), {
      ...json,
      mapping: { ...mapping, request },
    });

    expect(codeOf(outcome)).toBe("UPSTREAM_REJECTED");
    expect(ml.seen).toHaveLength(callsBefore);
  });
});
