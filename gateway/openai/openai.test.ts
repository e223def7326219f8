import { describe, expect, test } from "bun:test";

import { JsonText } from "../../core/json/json-text.ts";
import { createFakeDoor } from "../../test/support/door-world.ts";
import { storeDown } from "../../test/support/gateway-world.ts";

const said = (text: string) => ({ choices: [{ index: 0, text, finish_reason: "stop" }] });
const retry = (count: number) => ({ "x-stainless-retry-count": String(count) });
const CHAT = "/v1/chat/completions";
const BODY = { model: "small", messages: [{ role: "user", content: "hello" }] };
const WAIT_MS = 55_000;

describe("a chat through the OpenAI door", () => {
  test("is held open until its request has ended, and is answered with a receipt", async () => {
    const { post, rows, finish } = createFakeDoor();
    const { response } = await post();
    const requestId = rows[0]?.head.requestId ?? "";

    await finish(requestId, said("hi"));

    const reply = await response;
    expect(reply.status).toBe(200);
    expect(reply.headers.get("x-request-id")).toBe(requestId);
    expect(await reply.json()).toEqual({
      id: `chatcmpl-${requestId}`,
      object: "chat.completion",
      created: expect.any(Number),
      model: "small",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "hi", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 7,
        total_tokens: 12,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
      tollgate: {
        request_id: requestId,
        tokens: { held: 5 + 4 + 3 + 256, used: 12, given_back: 256 },
        attempts: 1,
      },
    });
  });

  test("returns the message as the ML service wrote it", async () => {
    const { post, rows, finish } = createFakeDoor();
    const { response } = await post();
    const message = `{"role":"assistant","content":null,"tool_calls":[{"id":"c","n":1.0}]}`;

    await finish(rows[0]?.head.requestId ?? "", {
      choices: [
        { index: 0, text: "", finish_reason: "tool_calls", message: new JsonText(message) },
      ],
    });

    expect(await (await response).text()).toContain(`"message":${message}`);
  });

  test("is told with 408 to come again, and its repetition waits for the same request", async () => {
    const { post, rows, finish, advance } = createFakeDoor();
    const { response: first } = await post();

    await advance(WAIT_MS);
    const over = await first;
    const { response: second } = await post(CHAT, BODY, retry(1));
    await finish(rows[0]?.head.requestId ?? "", said("late"));

    expect(over.status).toBe(408);
    expect(over.headers.get("x-should-retry")).toBe("true");
    expect(over.headers.get("retry-after-ms")).toBe("1");
    expect((await second).status).toBe(200);
    expect(rows).toHaveLength(1);
  });

  test("is told so before its client gives up by itself", async () => {
    const { post, advance } = createFakeDoor();
    const { response } = await post(CHAT, BODY, { "x-stainless-timeout": "10" });

    await advance(9_000);

    expect((await response).status).toBe(408);
  });

  test("is another request when somebody asks the same by intention", async () => {
    const { post, rows, advance } = createFakeDoor();
    const open = [await post(), await post()];

    await advance(WAIT_MS);
    await Promise.all(open.map(({ response }) => response));
    // Each repetition finds a request of its own, although both look alike.
    await post(CHAT, BODY, retry(1));
    await post(CHAT, BODY, retry(1));
    await post();

    expect(rows).toHaveLength(3);
  });

  test("does not take the request of a call that still waits", async () => {
    const { post, rows, advance } = createFakeDoor();
    await post();

    await post(CHAT, BODY, retry(1));
    await advance(4_000);

    expect(rows).toHaveLength(2);
  });

  test("that was refused before it made a request does not get the answer of another one", async () => {
    const { post, rows, finish } = createFakeDoor();
    const { response: first } = await post();
    await finish(rows[0]?.head.requestId ?? "", said("one"));
    await first;

    // As after a 429 to its first try.
    const { response: second } = await post(CHAT, BODY, retry(1));
    await finish(rows[1]?.head.requestId ?? "", said("another"));

    expect(rows).toHaveLength(2);
    expect(await (await second).text()).toContain("another");
  });

  test("of a client that does not count its tries finds what it was told to come again for", async () => {
    const { post, rows, finish, advance } = createFakeDoor();
    const { response: first } = await post();
    await advance(WAIT_MS);
    await first;

    const { response: second } = await post();
    const { response: third } = await post();
    for (const { head } of rows) await finish(head.requestId, said("hi"));

    // The third came while the second waited: it is another call.
    expect(rows).toHaveLength(2);
    expect([(await second).status, (await third).status]).toEqual([200, 200]);
  });

  test("finds its request again after the store did not say whether it was stored", async () => {
    let isUnsure = true;
    const { post, store, advance, finish } = createFakeDoor(({ insertRequests }) => ({
      insertRequests: async (batch) => {
        const outcomes = await insertRequests(batch);
        if (!isUnsure) return outcomes;
        isUnsure = false;
        return storeDown();
      },
    }));

    const { response: first } = await post();
    await advance(6_000);
    const refused = await first;
    const { response: second } = await post(CHAT, BODY, retry(1));
    await finish(store.rows()[0]?.head.requestId ?? "", said("there"));

    expect(refused.status).toBe(503);
    expect((await second).status).toBe(200);
    expect(store.rows()).toHaveLength(1);
  });

  test("gets the error that its request ended with, and no SDK repeats it", async () => {
    const { post, rows, finish } = createFakeDoor();
    const { response } = await post();
    const error = { code: "UPSTREAM_REJECTED", message: "status 422" } as const;

    await finish(rows[0]?.head.requestId ?? "", null, { state: "failed", error });

    const reply = await response;
    expect(reply.status).toBe(502);
    expect(reply.headers.get("x-should-retry")).toBe("false");
    expect(await reply.json()).toMatchObject({ code: "UPSTREAM_REJECTED" });
  });

  test("of an unknown model is a 404", async () => {
    const { post } = createFakeDoor();

    const { response } = await post(CHAT, { ...BODY, model: "none" });

    expect((await response).status).toBe(404);
  });

  test.each([
    [{ ...BODY, n: 99 }, "/n"],
    [{ ...BODY, max_tokens: 1, max_completion_tokens: 2 }, "/max_tokens"],
    [{ ...BODY, messages: [] }, "/messages"],
    [{ ...BODY, best_of: 3 }, "/best_of"],
    [{ ...BODY, max_completion_tokens: 999_999 }, "/max_completion_tokens"],
  ])("refuses %p by name", async (body, field) => {
    const { post } = createFakeDoor();

    const { response } = await post(CHAT, body);

    expect((await response).status).toBe(422);
    expect(await (await response).json()).toMatchObject({ errors: [{ field }] });
  });
});

test("every wrong field of a call is named at once, also what no schema says", async () => {
  const { post } = createFakeDoor();
  const body = { ...BODY, n: 99, max_tokens: 99_999, unheard_of: 1, best_of: 2 };

  const fieldsOf = async (sent: object) => {
    const { response } = await post(CHAT, sent);
    const { errors } = (await (await response).json()) as { errors: { field: string }[] };
    return errors.map(({ field }) => field).sort();
  };

  expect(await fieldsOf({ ...body, messages: "none" })).toEqual(["/max_tokens", "/messages", "/n"]);
  expect(await fieldsOf({ ...BODY, model: "none", n: 99 })).toEqual(["/model", "/n"]);
  expect(await fieldsOf({ ...BODY, model: "none", messages: [] })).toEqual(["/messages", "/model"]);
  expect(await fieldsOf({ ...BODY, unheard_of: 1, best_of: 2, user: "\0" })).toEqual([
    "/best_of",
    "/unheard_of",
    "/user",
  ]);
});

describe("a caller who leaves", () => {
  test("has the request cancelled unless they come back within the grace", async () => {
    const { post, cancelled, advance } = createFakeDoor();
    const gone = new AbortController();
    await post(CHAT, BODY, {}, gone.signal);

    gone.abort();
    await advance(14_000);
    const before = [...cancelled];
    await advance(2_000);

    expect(before).toEqual([]);
    expect(cancelled).toHaveLength(1);
  });

  test("and comes back finds the request", async () => {
    const { post, rows, cancelled, advance } = createFakeDoor();
    const gone = new AbortController();
    await post(CHAT, BODY, {}, gone.signal);

    gone.abort();
    await advance(1_000);
    await post(CHAT, BODY, retry(1));
    await advance(20_000);

    expect(cancelled).toEqual([]);
    expect(rows).toHaveLength(1);
  });

  test("keeps the request where the model says so", async () => {
    const { post, cancelled, advance, config } = createFakeDoor();
    const { small } = config.models;
    if (small !== undefined) small.on_disconnect = "keep";
    const gone = new AbortController();
    await post(CHAT, BODY, {}, gone.signal);

    gone.abort();
    await advance(60_000);

    expect(cancelled).toEqual([]);
  });

  test("keeps the request when they said so", async () => {
    const { post, cancelled, advance } = createFakeDoor();
    const gone = new AbortController();
    await post(CHAT, BODY, { "x-tollgate-on-disconnect": "keep" }, gone.signal);

    gone.abort();
    await advance(60_000);

    expect(cancelled).toEqual([]);
  });
});

describe("the other routes of the OpenAI door", () => {
  test("completions takes several prompts and answers each", async () => {
    const { post, rows, finish } = createFakeDoor();
    const { response } = await post("/v1/completions", {
      model: "words",
      prompt: ["a", "b"],
      max_tokens: 10,
      n: 2,
    });
    await finish(rows[0]?.head.requestId ?? "", said("x"));

    expect(rows[0]?.head.estimatedTokens).toBe(2 + 10 * 2 * 2);
    expect(await (await response).json()).toMatchObject({
      object: "text_completion",
      choices: [{ text: "x", index: 0, logprobs: null, finish_reason: "stop" }],
    });
  });

  test.each([
    ["base64", [1, -0.5], "AACAPwAAAL8="],
    ["base64", "AACAPwAAAL8=", "AACAPwAAAL8="],
    ["float", "AACAPwAAAL8=", [1, -0.5]],
  ])("embeddings gives %s whatever the ML service gave", async (format, embedding, expected) => {
    const { post, rows, finish } = createFakeDoor();
    const body = { model: "vectors", input: "a", encoding_format: format };
    const { response } = await post("/v1/embeddings", body);
    const data = JsonText.of([{ object: "embedding", index: 0, embedding }]);
    await finish(rows[0]?.head.requestId ?? "", { choices: [], data });

    expect(await (await response).json()).toMatchObject({
      object: "list",
      data: [{ index: 0, embedding: expected }],
      usage: { prompt_tokens: 5, total_tokens: 12 },
    });
  });

  test.each([
    ["/v1/embeddings", { model: "small", input: "a" }, "/model"],
    ["/v1/chat/completions", { ...BODY, model: "vectors" }, "/model"],
    ["/v1/completions", { model: "small", prompt: ["a", "b"] }, "/prompt"],
  ])(
    "%s refuses what its model could not be asked, before anything is held",
    async (path, body, field) => {
      const { post, rows } = createFakeDoor();

      const { response } = await post(path, body);

      expect(await (await response).json()).toMatchObject({ status: 422, errors: [{ field }] });
      expect(rows).toEqual([]);
    },
  );

  test.each([
    [{ model: "vectors", input: ["a", "b"] }],
    [{ model: "words", prompt: [[1, 2], [3]] }],
    [{ model: "small", prompt: "one" }],
  ])("the native door takes the same: %p", async (body) => {
    const { post, rows } = createFakeDoor();

    const { response } = await post("/generate", body);

    expect((await response).status).toBe(202);
    expect(rows).toHaveLength(1);
  });

  test("models lists what is configured, by id too", async () => {
    const { call } = createFakeDoor();

    expect(await (await call("GET", "/v1/models")).json()).toMatchObject({
      object: "list",
      data: [{ id: "small", object: "model" }, { id: "words" }, { id: "vectors" }],
    });
    expect((await call("GET", "/v1/models/small")).status).toBe(200);
    expect((await call("GET", "/v1/models/a%2Fb")).status).toBe(404);
  });
});
