import { afterAll, describe, expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";

import { changeSettings } from "../../ml-sim/settings.ts";
import { createSimulator } from "../../ml-sim/simulator.ts";
import { codeOf, startMlServer } from "../../test/support/ml-server.ts";

/** What real services were seen to do, as the simulator does it on demand. */
const simulator = createSimulator(changeSettings({}, {}));
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  fetch: simulator.fetch,
});
const ml = startMlServer();
afterAll(async () => {
  await Promise.all([server.stop(true), ml.stop()]);
});

const url = new URL("/v1/chat/completions", server.url).href;
const ask = (prompt: string, config: Parameters<typeof ml.infer>[1] = {}, maxTokens = 400) =>
  ml.infer(() => new Response(), { url, ...config }, { input: { prompt }, maxTokens });
const reply = (body: unknown, status = 200) => ml.infer(() => Response.json(body, { status }));

describe("usage", () => {
  test.each(["zero-usage", "zero-prompt"])("of %s is counted here", async (kind) => {
    expect(await ask(`[[sim:${kind}]]`)).toMatchObject({ ok: true, usage: null });
  });

  test("has the reasoning that only its total has, and what came from a cache", async () => {
    const plain = await ask("[[sim:hidden-reasoning:0]] [[sim:cached:3]]");
    const hidden = await ask("[[sim:hidden-reasoning:200]]");

    expect(plain).toMatchObject({ usage: { cachedTokens: 3, reasoningTokens: 0 } });
    expect(hidden).toMatchObject({ usage: { reasoningTokens: 200 } });
    const { usage } = hidden as Extract<typeof hidden, { ok: true }>;
    expect(usage?.completionTokens).toBeGreaterThan(200);
  });

  test("of the row in the book: 5 shown, 300 hidden, 10 of the prompt make 315", async () => {
    const outcome = await ml.infer(
      () =>
        Response.json({
          choices: [{ message: { content: "Because." }, finish_reason: "stop" }],
          usage: {
            prompt_tokens: 10,
            completion_tokens: 5,
            total_tokens: 315,
            completion_tokens_details: { reasoning_tokens: 300 },
          },
        }),
      {},
      { maxTokens: 400 },
    );

    expect(outcome).toMatchObject({
      usage: { promptTokens: 10, completionTokens: 305, reasoningTokens: 300 },
    });
  });
});

describe("a text that stopped in the middle", () => {
  test.each(["abort", "finish-error"])("by %s is a failed execution", async (kind) => {
    expect(codeOf(await ask(`[[sim:${kind}]]`))).toBe("UPSTREAM_FAILED");
  });

  test("is what the configuration says it is", async () => {
    const config = { failed_finish_reasons: ["length"] };

    expect(codeOf(await ask("[[sim:abort]]", config))).toBe("ok");
    expect(codeOf(await ask("hello", config, 1))).toBe("UPSTREAM_FAILED");
  });
});

test("a service that has another name for the cap gets it by that name", async () => {
  const refused = await ask("[[sim:new-cap-name]]");
  const config = { fields: { max_tokens: "max_completion_tokens" } };
  const taken = await ask("[[sim:new-cap-name]]", config, 3);

  expect(codeOf(refused)).toBe("UPSTREAM_REJECTED");
  expect(taken).toMatchObject({ ok: true, choices: [{ finish_reason: "length" }] });
});

describe("content that is a list of parts", () => {
  test("has its text, and the rest of it in the message", async () => {
    const outcome = await ask("[[sim:parts]]");

    const [choice] = outcome.ok ? outcome.choices : [];
    expect(choice?.text).toMatch(/^\w+ /);
    expect(choice?.message?.parse()).toMatchObject({
      content: [{ type: "thinking" }, { type: "text", text: choice?.text ?? "" }],
    });
  });

  test("is put together of the parts that are the answer", async () => {
    const content = [
      { type: "reasoning", text: "hm" },
      { type: "text", text: "fi" },
      { type: "source", text: 7 },
      { type: "output_text", text: "nal" },
    ];

    const outcome = await reply({ choices: [{ message: { content }, finish_reason: "stop" }] });

    expect(outcome).toMatchObject({ ok: true, choices: [{ text: "final" }] });
  });
});

describe("an error in a reply of status 200 is judged by the code inside", () => {
  test.each([
    ["error-200:403", "UPSTREAM_REFUSED"],
    ["error-200:500", "UPSTREAM_FAILED"],
    ["error-200:400", "UPSTREAM_REJECTED"],
    ["error-200-text:503", "UPSTREAM_UNAVAILABLE"],
    ["error-200-text:429", "UPSTREAM_BUSY"],
    ["error-200-text:400", "UPSTREAM_REJECTED"],
    ["null-choices:429", "UPSTREAM_BUSY"],
  ])("%s becomes %s", async (marker, code) => {
    expect(codeOf(await ask(`[[sim:${marker}]]`))).toBe(code);
  });

  test.each([
    [{ error: { message: "no code at all" } }, "UPSTREAM_FAILED"],
    [{ error: "out of memory" }, "UPSTREAM_FAILED"],
    [{ error: { code: "unheard_of", type: "rate_limit_error" } }, "UPSTREAM_BUSY"],
    [{ error: { code: "constructor" } }, "UPSTREAM_FAILED"],
    [{ object: "error", message: "too long", code: 400 }, "UPSTREAM_REJECTED"],
    [{ choices: null }, "UPSTREAM_REPLY_INVALID"],
    [{ error: null, choices: [{ message: { content: "a" } }] }, "ok"],
  ])("%j becomes %s", async (body, code) => {
    expect(codeOf(await reply(body))).toBe(code);
  });
});

describe("what a service says of its failure", () => {
  test("is kept apart from our own words", async () => {
    expect(await ask("[[sim:422]]")).toMatchObject({
      code: "UPSTREAM_REJECTED",
      message: "the ML service replied with status 422",
      upstream: { status: 422, message: expect.stringContaining("temperature must be at most 2") },
    });
  });

  test.each([
    [
      "FastAPI's detail",
      { detail: [{ loc: ["n"], msg: "too large" }] },
      '[{"loc":["n"],"msg":"too large"}]',
    ],
    ["a message", { message: "no" }, "no"],
    ["an error as a text", { error: "no" }, "no"],
    ["controls", { message: "a\u001b[2Jb\r\nc\u202ed" }, "a [2Jb c d"],
    ["a lone surrogate", { message: "a\ud800b" }, "a\ufffdb"],
    ["an emoji at the bound", { message: `${"a".repeat(1_999)}😀` }, "a".repeat(1_999)],
    ["an endless text", { message: "a".repeat(9_000) }, "a".repeat(2_000)],
    ["nothing", { error: null }, '{"error":null}'],
  ])("is bounded text: %s", async (_name, body, words) => {
    expect(await reply(body, 422)).toMatchObject({ upstream: { status: 422, message: words } });
  });
});

describe("proxies", () => {
  /** Counts connections and refuses them in HTTP's words. */
  async function startProxy() {
    let connections = 0;
    const proxy = createServer((socket) => {
      connections += 1;
      socket.on("error", () => {});
      socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as AddressInfo;
    const stop = (): void => void proxy.close();
    return { url: `http://127.0.0.1:${port}`, connections: () => connections, stop };
  }

  test("of the environment are not used", async () => {
    const proxy = await startProxy();
    const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = proxy.url;

    const outcome = codeOf(await ask("hello"));
    const other = await fetch(url).then((response) => response.status);

    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    // The other call shows that the environment would have been heeded.
    expect([outcome, other, proxy.connections()]).toEqual(["ok", 502, 1]);
    proxy.stop();
  });

  test("of the configuration are used", async () => {
    const proxy = await startProxy();

    const outcome = codeOf(await ask("hello", { proxy: proxy.url }));

    expect([outcome, proxy.connections()]).toEqual(["UPSTREAM_UNAVAILABLE", 1]);
    proxy.stop();
  });
});

describe("a service of several replicas", () => {
  test("is called where it is there, although one of its URLs is not", async () => {
    const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const nowhere = `http://127.0.0.1:${gone.port}/`;
    await gone.stop(true);

    const outcomes = [];
    for (let i = 0; i < 3; i += 1)
      outcomes.push(codeOf(await ask("hello", { url: nowhere, urls: [url] })));

    expect(outcomes).toEqual(["ok", "ok", "ok"]);
  });

  test("that are all away is not reachable", async () => {
    const nobody = ["http://nobody.invalid/v1", "http://also-nobody.invalid/v1"];

    const outcome = codeOf(await ask("hello", { url: nobody[0] ?? "", urls: nobody }));

    expect(outcome).toBe("UPSTREAM_UNREACHABLE");
  });
});

test("a usage of several prompts is believed up to what all their answers may have", async () => {
  const choices = ["a", "b", "c"].map((text) => ({ text, finish_reason: "length" }));
  const usage = { prompt_tokens: 3, completion_tokens: 30, total_tokens: 33 };

  const outcome = await ml.infer(
    () => Response.json({ choices, usage }),
    { protocol: "openai-completions" },
    { input: { prompt: ["x", "y", "z"] }, maxTokens: 10 },
  );

  expect(outcome).toMatchObject({ ok: true, usage: { completionTokens: 30 } });
});
