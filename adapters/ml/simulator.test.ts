import { afterAll, describe, expect, test } from "bun:test";

import type { ModelConfig } from "../../core/config/schema.ts";
import { loadConfig } from "../config/load.ts";
import { changeSettings } from "../../ml-sim/settings.ts";
import { createSimulator } from "../../ml-sim/simulator.ts";
import { codeOf, startMlServer } from "../../test/support/ml-server.ts";

/**
 * The simulator speaks every protocol as the adapters expect it: what develops against it also runs against a
 * real service.
 */
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

const SECRETS = {
  TOLLGATE_SECRETS__ENCRYPTION_KEYS: "k1:unused-here",
  TOLLGATE_SECRETS__KEY_PEPPER: "unused-here".padEnd(32, "-"),
};
/** The models of the configuration that everybody starts with, here on this file's port. */
const { models } = await loadConfig(
  new URL("../../tollgate.yaml", import.meta.url).pathname,
  SECRETS,
);
const onThisPort = (config: ModelConfig): ModelConfig => ({
  ...config,
  url: new URL(new URL(config.url).pathname, server.url).href,
});

const callSimulator = (config: Partial<ModelConfig>, prompt: string) =>
  ml.infer(() => new Response(), { ...config, timeout_ms: 300 }, { input: { prompt }, n: 2 });

const generating = Object.entries(models).filter(
  ([, { protocol }]) => protocol !== "openai-embeddings",
);

describe.each(generating)("the model %s of tollgate.yaml", (_name, model) => {
  const config = onThisPort(model);

  test("replies with choices and usage", async () => {
    const outcome = await callSimulator(config, "12345678");

    expect(outcome).toMatchObject({
      ok: true,
      choices: [
        { index: 0, finish_reason: "length" },
        { index: 1, finish_reason: "length" },
      ],
      usage: { promptTokens: 2, completionTokens: 20, cachedTokens: 0, reasoningTokens: 0 },
    });
  });

  test.each([
    ["[[sim:400]]", "UPSTREAM_REJECTED"],
    ["[[sim:429:2]]", "UPSTREAM_BUSY"],
    ["[[sim:500]]", "UPSTREAM_FAILED"],
    ["[[sim:503]]", "UPSTREAM_UNAVAILABLE"],
    ["[[sim:timeout]]", "UPSTREAM_TIMEOUT"],
    ["[[sim:drip]]", "UPSTREAM_TIMEOUT"],
    ["[[sim:slow:1000]]", "UPSTREAM_TIMEOUT"],
    ["[[sim:reset]]", "UPSTREAM_FAILED"],
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

test("the model sim-embeddings of tollgate.yaml gives a vector for each text", async () => {
  const config = onThisPort(models["sim-embeddings"] as ModelConfig);

  const outcome = await ml.infer(() => new Response(), config, { input: { input: ["a", "b"] } });

  expect(outcome).toMatchObject({ ok: true, choices: [], usage: { completionTokens: 0 } });
  expect(outcome.ok && outcome.data?.parse()).toMatchObject([{ index: 0 }, { index: 1 }]);
});
