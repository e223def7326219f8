import { describe, expect, test } from "bun:test";

import { changeSettings } from "./settings.ts";
import { createSimulator } from "./simulator.ts";

const simulator = createSimulator(changeSettings({}, {}));

function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const init = { method: "POST", body: JSON.stringify(body), ...(signal ? { signal } : {}) };
  return Promise.resolve(simulator.fetch(new Request(`http://localhost${path}`, init)));
}

interface Delta {
  role?: string;
  content?: string;
  reasoning_content?: string;
  tool_calls?: { index: number; id?: string; function: { name?: string; arguments: string } }[];
}
interface Chunk {
  choices: { index: number; delta?: Delta; text?: string; finish_reason: string | null }[];
  usage?: unknown;
  error?: { code: number };
}

const chat = async (prompt: string, more: object = {}) => {
  const messages = [{ role: "user", content: prompt }];
  return (await (await post("/v1/chat/completions", { messages, ...more })).json()) as {
    choices: { message: Record<string, unknown>; finish_reason: string; logprobs?: unknown }[];
    usage: Record<string, unknown>;
    error?: unknown;
  };
};

/** The events of a stream, and whether `[DONE]` ended it. */
async function readEvents(response: Response): Promise<{ chunks: Chunk[]; isDone: boolean }> {
  const events = (await response.text()).split("\n\n").slice(0, -1);
  const data = events.map((event) => event.replace("data: ", ""));
  const isDone = data.at(-1) === "[DONE]";
  const chunks = data.filter((text) => text !== "[DONE]").map((text) => JSON.parse(text) as Chunk);
  return { chunks, isDone };
}

async function streamChat(prompt: string, more: object = {}) {
  const messages = [{ role: "user", content: prompt }];
  return readEvents(await post("/v1/chat/completions", { messages, stream: true, ...more }));
}

function textOf(chunks: Chunk[], index = 0): string {
  const choices = chunks.flatMap((chunk) => chunk.choices).filter((one) => one.index === index);
  return choices.map(({ delta, text }) => delta?.content ?? text ?? "").join("");
}

describe("a stream", () => {
  test("of a chat has each role once, each finish once, the usage last, and the whole text", async () => {
    const whole = await chat("why", { n: 2 });

    const { chunks, isDone } = await streamChat("why", {
      n: 2,
      stream_options: { include_usage: true },
    });

    const choices = chunks.flatMap((chunk) => chunk.choices);
    expect(choices.filter(({ delta }) => delta?.role).map(({ index }) => index)).toEqual([0, 1]);
    expect(choices.filter((one) => one.finish_reason === "stop")).toHaveLength(2);
    expect([0, 1].map((index) => textOf(chunks, index))).toEqual(
      whole.choices.map(({ message }) => message["content"] as string),
    );
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(isDone).toBe(true);
  });

  test("of a completion has the whole text", async () => {
    const whole = await (await post("/v1/completions", { prompt: "why" })).json();

    const streamed = await post("/v1/completions", { prompt: "why", stream: true });

    const { choices } = whole as { choices: { text: string }[] };
    expect(textOf((await readEvents(streamed)).chunks)).toBe(choices[0]?.text ?? "");
  });

  test("stops working when its caller leaves, and its slot is free", async () => {
    const slow = createSimulator(changeSettings({}, { slots: 1, token_ms: 60_000 }));
    const request = { messages: [{ content: "why" }], stream: true };
    const body = JSON.stringify(request);
    const url = "http://localhost/v1/chat/completions";
    const response = await slow.fetch(new Request(url, { method: "POST", body }));
    const reader = response.body?.getReader();
    await reader?.read();

    await reader?.cancel();

    const stats = await slow.fetch(new Request("http://localhost/sim/stats"));
    expect(await stats.json()).toMatchObject({ busy: 0, abandoned: 1, answered: 0 });
  });
});

describe("a tool", () => {
  const parameters = {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer", minimum: 1 } },
    required: ["city"],
  };
  const tools = [{ type: "function", function: { name: "weather", parameters } }];

  test("is called when the prompt says so, with arguments that fit", async () => {
    const { choices } = await chat("[[sim:tool]] what now?", { tools });

    const reason = choices[0]?.finish_reason;
    const message = choices[0]?.message ?? {};
    const [call] = message["tool_calls"] as { function: { name: string; arguments: string } }[];
    expect([reason, message["content"], call?.function.name]).toEqual([
      "tool_calls",
      null,
      "weather",
    ]);
    expect(JSON.parse(call?.function.arguments ?? "")).toEqual({
      city: expect.any(String),
      days: expect.any(Number),
    });
  });

  test.each([
    ["required", 1],
    [{ type: "function", function: { name: "weather" } }, 1],
    ["none", 0],
    ["auto", 0],
  ])("is called or not as tool_choice %j says", async (choice, calls) => {
    const { choices } = await chat("what now?", { tools, tool_choice: choice });

    const made = (choices[0]?.message["tool_calls"] ?? []) as unknown[];
    expect(made).toHaveLength(calls);
  });

  test("is streamed with its id and name once and its arguments in pieces", async () => {
    const prompt = "[[sim:tool:2]] what now?";
    const whole = await chat(prompt, { tools });

    const { chunks } = await streamChat(prompt, { tools });

    const deltas = chunks.flatMap(({ choices }) => choices[0]?.delta?.tool_calls ?? []);
    const made = whole.choices[0]?.message["tool_calls"] as {
      id: string;
      function: { arguments: string };
    }[];
    expect(deltas.filter(({ id }) => id !== undefined).map(({ id }) => id)).toEqual(
      made.map(({ id }) => id),
    );
    expect(deltas.length).toBeGreaterThan(4);
    const second = deltas.filter(({ index }) => index === 1);
    expect(second.map((delta) => delta.function.arguments).join("")).toBe(
      made[1]?.function.arguments ?? "",
    );
  });

  test("that has replied is answered with what it said", async () => {
    const messages = [
      { role: "user", content: "[[sim:tool]]" },
      { role: "assistant", content: null },
      { role: "tool", tool_call_id: "call_1", content: "12 degrees" },
    ];

    const { choices } = await chat("", { messages, tools });

    expect(choices[0]?.message["content"]).toContain("12 degrees");
  });
});

test("a schema of the answer is kept", async () => {
  const schema = {
    type: "object",
    properties: {
      kind: { enum: ["a", "b"] },
      fixed: { const: 7 },
      list: { type: "array", items: { type: "boolean" }, minItems: 3 },
      price: { type: "number", minimum: 5, maximum: 6 },
      inner: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
      next: { anyOf: [{ $ref: "#" }, { type: "null" }] },
    },
    required: ["kind", "fixed", "list", "price", "inner"],
  };
  const format = { type: "json_schema", json_schema: { name: "x", schema } };

  const { choices } = await chat("why", { response_format: format, max_tokens: 4_096 });

  expect(JSON.parse(choices[0]?.message["content"] as string)).toMatchObject({
    kind: expect.stringMatching(/^[ab]$/),
    fixed: 7,
    list: [expect.any(Boolean), expect.any(Boolean), expect.any(Boolean)],
    inner: { name: expect.any(String) },
  });
});

test("reasoning comes before the text and is counted", async () => {
  const { choices, usage } = await chat("[[sim:reason:20]] why");
  const { chunks } = await streamChat("[[sim:reason:20]] why");

  const reasoning = choices[0]?.message["reasoning_content"] as string;
  const deltas = chunks.flatMap((chunk) => chunk.choices[0]?.delta?.reasoning_content ?? []);
  expect(reasoning.split(" ")).toHaveLength(20);
  expect(deltas.join("")).toBe(reasoning);
  expect(usage).toMatchObject({ completion_tokens_details: { reasoning_tokens: 20 } });
});

test("pictures are taken, and probabilities are given when they are asked for", async () => {
  const picture = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
  const messages = [{ role: "user", content: [{ type: "text", text: "what?" }, picture] }];

  const { choices } = await chat("", { messages, logprobs: true, top_logprobs: 2, max_tokens: 3 });

  const two = { top_logprobs: [expect.anything(), expect.anything()] };
  expect(choices[0]?.logprobs).toMatchObject({ content: [two, two, two] });
});

test("an answer that has begun goes on to the same end", async () => {
  const whole = (await chat("why")).choices[0]?.message["content"] as string;
  const begun = whole.slice(0, 30);
  const messages = [
    { role: "user", content: "why" },
    { role: "assistant", content: begun },
  ];

  const rest = await chat("", {
    messages,
    continue_final_message: true,
    add_generation_prompt: false,
  });

  expect(begun + (rest.choices[0]?.message["content"] as string)).toBe(whole);
});

describe("an embedding", () => {
  const embed = async (body: object) =>
    (await (await post("/v1/embeddings", body)).json()) as {
      data: { index: number; embedding: number[] | string }[];
      usage: unknown;
    };

  test("is a vector of length 1, the same one in both forms", async () => {
    const floats = (await embed({ input: "why", dimensions: 8 })).data[0]?.embedding as number[];
    const text = (await embed({ input: "why", dimensions: 8, encoding_format: "base64" })).data[0]
      ?.embedding as string;

    const bytes = Buffer.from(text, "base64");
    expect(floats.map((_, i) => bytes.readFloatLE(i * 4))).toEqual(floats);
    expect(Math.hypot(...floats)).toBeCloseTo(1, 5);
  });

  test.each([
    ["why", 1, 1],
    [["why", "because"], 2, 3],
    [[1, 2, 3], 1, 3],
    [[[1, 2], [3]], 2, 3],
  ])("of %j comes once for each input", async (input, vectors, tokens) => {
    const { data, usage } = await embed({ input });

    expect(data.map(({ index }) => index)).toEqual([...Array(vectors).keys()]);
    expect(usage).toEqual({ prompt_tokens: tokens, total_tokens: tokens });
  });
});

test("the models can be listed", async () => {
  const reply = await simulator.fetch(new Request("http://localhost/v1/models"));

  expect(await reply.json()).toMatchObject({ object: "list", data: [{ id: "simulator" }] });
});

describe("misbehaviour on demand", () => {
  test.each([
    ["zero-usage", { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
    ["zero-prompt", { prompt_tokens: 0 }],
    ["hidden-reasoning:300", { completion_tokens_details: { reasoning_tokens: 300 } }],
    ["cached:4", { prompt_tokens_details: { cached_tokens: 4 } }],
  ])("%s in the usage", async (marker, usage) => {
    expect((await chat(`[[sim:${marker}]]`)).usage).toMatchObject(usage);
  });

  test.each([
    ["abort", "abort"],
    ["finish-error", "error"],
  ])("%s ends half a text", async (kind, reason) => {
    const whole = (await chat(`[[sim:${kind}]]`, { max_tokens: 16 })).choices[0];

    expect(whole?.finish_reason).toBe(reason);
    expect(String(whole?.message["content"]).split(" ")).toHaveLength(8);
  });

  test.each([
    ["error-200:403", { error: { code: 403 } }],
    ["error-200-text:429", { error: { code: "rate_limit_exceeded" } }],
    ["null-choices:429", { choices: null, error: { code: 429 } }],
    ["parts", { choices: [{ message: { content: [{ type: "thinking" }, { type: "text" }] } }] }],
  ])("%s in a reply of status 200", async (marker, reply) => {
    expect(await chat(`[[sim:${marker}]]`)).toMatchObject(reply);
  });

  test("a cap under its old name is refused, and taken under its new one", async () => {
    const old = await chat("[[sim:new-cap-name]]", { max_tokens: 3 });
    const { choices } = await chat("[[sim:new-cap-name]]", { max_completion_tokens: 3 });

    expect(old.error).toMatchObject({ code: 400 });
    expect(choices[0]?.finish_reason).toBe("length");
  });

  test("a refusal says why", async () => {
    expect(await chat("[[sim:422]]")).toMatchObject({
      error: { code: 422, message: expect.stringContaining("temperature") },
    });
  });

  test("a stream can end without an end, in an error, or after a pause", async () => {
    const cut = await streamChat("[[sim:truncate]]");
    const failed = await streamChat("[[sim:error-event:429]]");
    const stalled = await streamChat("[[sim:stall:30]]");

    expect([cut.isDone, textOf(cut.chunks).length > 0]).toEqual([false, true]);
    expect(cut.chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual([]);
    expect(failed.chunks.at(-1)?.error).toMatchObject({ code: 429 });
    expect(stalled.isDone).toBe(true);
  });

  test("a whole reply can pause in the middle of its body", async () => {
    expect((await chat("[[sim:stall:30]]")).choices).toHaveLength(1);
  });
});
