import { describe, expect, test } from "bun:test";

import { drawFault, faultOfPrompt, parseFault, seededRandom } from "./faults.ts";
import { changeSettings } from "./settings.ts";
import { createSimulator, type Simulator } from "./simulator.ts";
import type { SimTotals } from "./stats.ts";

const start = (settings = {}): Simulator => createSimulator(changeSettings({}, settings));

async function post(
  simulator: Simulator,
  path: string,
  body: unknown,
  init: RequestInit = {},
): Promise<Response> {
  const request = new Request(`http://localhost${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    ...init,
  });
  return simulator.fetch(request);
}

const generate = (simulator: Simulator, input: string, init?: RequestInit): Promise<Response> =>
  post(simulator, "/generate", { input, max_new_tokens: 8 }, init);

async function statsOf(
  simulator: Simulator,
): Promise<SimTotals & { busy: number; queued: number }> {
  const response = await simulator.fetch(new Request("http://localhost/sim/stats"));
  return (await response.json()) as SimTotals & { busy: number; queued: number };
}

describe("an answer of the simulator", () => {
  test("to a chat has the shape of OpenAI's and says where it comes from", async () => {
    const body = {
      model: "m",
      messages: [{ role: "user", content: "12345" }],
      max_tokens: 3,
      n: 2,
    };

    const reply = (await (await post(start(), "/v1/chat/completions", body)).json()) as {
      choices: { message: { content: string } }[];
    };

    expect(reply).toMatchObject({
      object: "chat.completion",
      model: "m",
      system_fingerprint: "simulator",
      usage: { prompt_tokens: 2, completion_tokens: 6, total_tokens: 8 },
      choices: [
        { index: 0, finish_reason: "length" },
        { index: 1, finish_reason: "length" },
      ],
    });
    const texts = reply.choices.map(({ message }) => message.content);
    expect(texts[0]?.split(" ")).toHaveLength(3);
    expect(texts[0]).not.toBe(texts[1]);
  });

  test("to a completion has the shape of OpenAI's", async () => {
    const body = { prompt: "hello", max_tokens: 1_000 };

    const reply = await (await post(start(), "/v1/completions", body)).json();

    expect(reply).toMatchObject({
      object: "text_completion",
      choices: [{ text: expect.any(String), finish_reason: "stop" }],
    });
  });

  test("is the same for the same prompt, whatever came before", async () => {
    const first = await (await generate(start(), "hello")).text();
    const simulator = start();
    await generate(simulator, "another");

    expect(await (await generate(simulator, "hello")).text()).toBe(first);
    expect(await (await generate(simulator, "hellp")).text()).not.toBe(first);
  });

  test("is counted by tokens, so that a bill can be compared", async () => {
    const simulator = start();
    const reply = await (await generate(simulator, "12345678")).json();
    await generate(simulator, "[[sim:500]]");
    await generate(simulator, "[[sim:truncate]]");

    expect(reply).toMatchObject({ simulator: true, usage: { input: 2, output: 8 } });
    expect(await statsOf(simulator)).toMatchObject({
      calls: 3,
      answered: 1,
      prompt_tokens: 2,
      completion_tokens: 8,
      faults: { "500": 1, truncate: 1 },
    });
  });

  test.each([
    ["/v1/chat/completions", { messages: [] }],
    ["/v1/completions", { prompt: 7 }],
    ["/generate", {}],
    ["/generate", { input: "a", max_new_tokens: 0 }],
  ])("is refused with 400 when the body does not fit %s: %j", async (path, body) => {
    expect((await post(start(), path, body)).status).toBe(400);
  });
});

describe("a fault on demand", () => {
  test.each([
    ["[[sim:400]]", 400, null],
    ["[[sim:500]]", 500, null],
    ["[[sim:503]]", 503, null],
    ["[[sim:429]]", 429, "1"],
    ["[[sim:429:2]] please", 429, "2"],
    ["please [[sim:500]]", 500, null],
    ["[[sim:unheard-of]]", 200, null],
    ["[[sim:500", 200, null],
  ])("%s", async (prompt, status, retryAfter) => {
    const response = await generate(start(), prompt);

    expect(response.status).toBe(status);
    expect(response.headers.get("retry-after")).toBe(retryAfter);
  });

  test("can be asked for by a header", async () => {
    const headers = { "x-sim-fault": "429:7" };

    const response = await generate(start(), "hello", { headers });

    expect(response.headers.get("retry-after")).toBe("7");
  });

  test("fails the first calls with a prompt and no more", async () => {
    const simulator = start();
    const statuses: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      statuses.push((await generate(simulator, "[[sim:fail-times:2]] a")).status);
    }

    expect(statuses).toEqual([500, 500, 200, 200]);
    expect((await generate(simulator, "[[sim:fail-times:2]] b")).status).toBe(500);
  });

  test("spoils the usage", async () => {
    const none = await (await generate(start(), "[[sim:no-usage]]")).json();
    const negative = await (await generate(start(), "[[sim:negative-usage]]")).json();

    expect(none).not.toHaveProperty("usage");
    expect(negative).toMatchObject({ usage: { input: -6, output: -8 } });
  });

  test("spoils the body", async () => {
    const truncated = await (await generate(start(), "[[sim:truncate]]")).text();
    const huge = await (await generate(start(), "[[sim:huge:300000]]")).text();

    expect(() => JSON.parse(truncated) as unknown).toThrow();
    expect(huge.length).toBeGreaterThan(300_000);
  });

  test("that never answers ends when the caller leaves", async () => {
    const caller = new AbortController();
    const pending = generate(start(), "[[sim:timeout]]", { signal: caller.signal });

    caller.abort();

    expect((await pending).status).toBe(499);
  });

  test("comes at the given rate, the same way for the same seed", () => {
    const drawn = (seed: number): string => {
      const random = seededRandom(seed);
      return Array.from(
        { length: 1_000 },
        () => drawFault({ "500": 0.1 }, random)?.kind ?? "-",
      ).join();
    };

    expect(drawn(1)).toBe(drawn(1));
    expect(drawn(1)).not.toBe(drawn(2));
    expect(drawn(1).split("500").length - 1).toBeWithin(70, 130);
  });

  test.each([
    ["500", { kind: "500", amount: null }],
    ["slow:20", { kind: "slow", amount: 20 }],
    ["slow:x", null],
    ["", null],
    ["constructor", null],
  ] as const)("is read from %p", (text, wish) => {
    expect(parseFault(text)).toEqual(wish);
    expect(faultOfPrompt(`[[sim:${text}]]`)).toEqual(wish);
  });
});

describe("the latency model", () => {
  test("works on as many calls as there are slots, lets some wait, and refuses the rest", async () => {
    const simulator = start({ slots: 1, queue_max: 1, ttft_ms: 60_000, retry_after_seconds: 3 });
    const first = new AbortController();
    const second = new AbortController();
    const working = generate(simulator, "a", { signal: first.signal });
    const waiting = generate(simulator, "b", { signal: second.signal });
    while ((await statsOf(simulator)).queued === 0) await Promise.resolve();

    const refused = await generate(simulator, "c");
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("3");
    expect(await statsOf(simulator)).toMatchObject({ busy: 1, queued: 1, refused_busy: 1 });

    first.abort();
    expect((await working).status).toBe(499);
    second.abort();
    expect((await waiting).status).toBe(499);
    expect(await statsOf(simulator)).toMatchObject({ busy: 0, queued: 0, abandoned: 2 });
  });

  test("takes the time to the first token and the time per token", async () => {
    const simulator = start({ ttft_ms: 20, token_ms: 5 });
    const startedAt = performance.now();

    await generate(simulator, "a");

    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(59);
  });
});

describe("the settings", () => {
  test("change while it runs", async () => {
    const simulator = start();

    await post(simulator, "/sim/settings", { fault_rates: { "500": 1 } });

    expect((await generate(simulator, "hello")).status).toBe(500);
  });

  test("say for how long it is too busy for everybody", async () => {
    const simulator = start({ fault_rates: { "429": 1 }, retry_after_seconds: 40 });

    const response = await generate(simulator, "hello");

    expect(response.headers.get("retry-after")).toBe("40");
  });

  test("that cannot be are refused, naming each field, and the old ones stay", async () => {
    const simulator = start();

    const response = await post(simulator, "/sim/settings", {
      slots: -1,
      speed: 9,
      fault_rates: { "500": 2 },
    });

    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string } };
    for (const field of ["slots", "speed", "fault_rates/500"])
      expect(error.message).toContain(field);
    expect((await generate(simulator, "hello")).status).toBe(200);
  });
});
