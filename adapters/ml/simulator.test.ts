import { afterAll, describe, expect, test } from "bun:test";

import type { ModelConfig } from "../../core/config/schema.ts";
import { changeSettings } from "../../ml-sim/settings.ts";
import { createSimulator } from "../../ml-sim/simulator.ts";
import { codeOf, startFakeMlService } from "./fake-ml-service.ts";

/** The simulator speaks every protocol as the adapters expect it: what develops against it also runs against a real service. */
const simulator = createSimulator(changeSettings({}, {}));
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  fetch: simulator.fetch,
});
const ml = startFakeMlService();
afterAll(async () => {
  await Promise.all([server.stop(true), ml.stop()]);
});

const at = (path: string): string => new URL(path, server.url).href;
const CHAT = { protocol: "openai-chat", url: at("/v1/chat/completions") } as const;
const COMPLETIONS = { protocol: "openai-completions", url: at("/v1/completions") } as const;
const JSON_MAPPED: Partial<ModelConfig> = {
  protocol: "json",
  url: at("/generate"),
  mapping: {
    request: '{ "inputs": prompt, "limit": max_tokens, "count": n }',
    text: "outputs",
    finish_reason: "why",
    prompt_tokens: "meta.in",
    completion_tokens: "meta.out",
  },
};

const callSimulator = (config: Partial<ModelConfig>, prompt: string) =>
  ml.infer(() => new Response(), { ...config, timeout_ms: 300 }, { input: { prompt }, n: 2 });

describe.each([
  ["openai-chat", CHAT],
  ["openai-completions", COMPLETIONS],
  ["json", JSON_MAPPED],
] as const)("the simulator through the protocol %s", (_name, config) => {
  test("answers with choices and usage", async () => {
    const outcome = await callSimulator(config, "12345678");

    expect(outcome).toMatchObject({
      ok: true,
      choices: [
        { index: 0, finish_reason: "length" },
        { index: 1, finish_reason: "length" },
      ],
      usage: { promptTokens: 2, completionTokens: 20 },
    });
  });

  test.each([
    ["[[sim:400]]", "UPSTREAM_REJECTED"],
    ["[[sim:429:2]]", "UPSTREAM_BUSY"],
    ["[[sim:500]]", "UPSTREAM_FAILED"],
    ["[[sim:503]]", "UPSTREAM_FAILED"],
    ["[[sim:timeout]]", "UPSTREAM_TIMEOUT"],
    ["[[sim:drip]]", "UPSTREAM_TIMEOUT"],
    ["[[sim:slow:1000]]", "UPSTREAM_TIMEOUT"],
    ["[[sim:reset]]", "UPSTREAM_UNREACHABLE"],
    ["[[sim:truncate]]", "UPSTREAM_REPLY_INVALID"],
    ["[[sim:huge]]", "UPSTREAM_REPLY_TOO_LARGE"],
  ])("%s becomes %s", async (prompt, code) => {
    expect(codeOf(await callSimulator(config, prompt))).toBe(code);
  });

  test.each(["[[sim:no-usage]]", "[[sim:negative-usage]]"])(
    "%s leaves the counting to us",
    async (prompt) => {
      expect(await callSimulator(config, prompt)).toMatchObject({ ok: true, usage: null });
    },
  );
});
