import { describe, expect, test } from "bun:test";

import { ConfigError, parseConfig } from "./parse.ts";

const file = {
  postgres: { url: "postgres://a@localhost/c" },
  redis: { url: "redis://localhost" },
  amqp: { url: "amqp://localhost" },
  secrets: { encryption_keys: "k1:AAAA", key_pepper: "p".repeat(32) },
  default_tier: "free",
  tiers: { free: { daily: { requests: 10 }, monthly: {} } },
  default_model: "sim-chat",
  models: { "sim-chat": { protocol: "openai-chat", url: "http://localhost" } },
};

function problemsOf(tree: unknown, env: Record<string, string> = {}): readonly string[] {
  try {
    parseConfig(tree, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("the configuration", () => {
  test("takes defaults for what the file leaves out", () => {
    const config = parseConfig(file, {});

    expect(config.gateway.port).toBe(8080);
    expect(config.tiers["free"]?.daily).toEqual({
      requests: 10,
      tokens: null,
      failed_executions: null,
    });
    expect(config.models["sim-chat"]?.timeout_ms).toBe(60_000);
  });

  test("takes the environment over the file, in any section and for keys with dashes", () => {
    const config = parseConfig(file, {
      DATABASE_URL: "postgres://x@localhost/z",
      TOLLGATE_GATEWAY__PORT: "8081",
      TOLLGATE_MODELS__SIM_CHAT__TIMEOUT_MS: "5",
      TOLLGATE_RETRY__DELAYS_MS: "100,200",
      TOLLGATE_LOG_LEVEL: "warn",
      TOLLGATE_CONFIG: "elsewhere.yaml",
    });

    expect(config.postgres.url).toBe("postgres://x@localhost/z");
    expect(config.gateway.port).toBe(8081);
    expect(config.models["sim-chat"]?.timeout_ms).toBe(5);
    expect(config.retry.delays_ms).toEqual([100, 200]);
    expect(config.log_level).toBe("warn");
  });

  test("names every bad field at once, with what is allowed", () => {
    const problems = problemsOf({
      ...file,
      redis: { url: "http://localhost" },
      gateway: { port: 0, prot: 1 },
    });

    expect(problems.some((problem) => problem.startsWith("redis.url:"))).toBe(true);
    expect(problems.some((problem) => problem.startsWith("gateway.port:"))).toBe(true);
    expect(problems.some((problem) => problem.startsWith("gateway.prot:"))).toBe(true);
  });

  test("prints no secret in an error", () => {
    const problems = problemsOf({
      ...file,
      secrets: { encryption_keys: "k1:AAAA", key_pepper: "too-short-pepper" },
    });

    expect(problems.join()).toContain("secrets.key_pepper");
    expect(problems.join()).not.toContain("too-short-pepper");
  });

  test.each([
    ["default_model", { ...file, default_model: "other" }],
    ["default_tier", { ...file, default_tier: "other" }],
    [
      "models.sim-chat.mapping",
      { ...file, models: { "sim-chat": { protocol: "json", url: "http://localhost" } } },
    ],
    ["keeper.orphan_after_ms", { ...file, keeper: { orphan_after_ms: 5_000 } }],
    [
      "gateway.queue_ttl_seconds_max",
      { ...file, gateway: { queue_ttl_seconds_max: 7 * 86_400 + 1 } },
    ],
    [
      "models.sim-chat.timeout_ms",
      { ...file, amqp: { url: "amqp://localhost", consumer_timeout_ms: 120_000 } },
    ],
    [
      "models.sim-chat.reply_bytes_max",
      { ...file, amqp: { url: "amqp://localhost", message_bytes_max: 1_048_576 } },
    ],
    [
      "postgres.deadline_ms",
      { ...file, postgres: { url: "postgres://localhost", deadline_ms: 10 } },
    ],
  ])("refuses parts that contradict each other: %s", (field, tree) => {
    expect(problemsOf(tree).some((problem) => problem.startsWith(`${field}:`))).toBe(true);
  });

  test("refuses a name of a model that RabbitMQ would refuse as the name of its queue", () => {
    const [long, longest] = ["m".repeat(129), "m".repeat(128)];
    const amqp = { url: "amqp://localhost", queue_prefix: "p".repeat(64) };
    const models = { ...file.models, [longest]: file.models["sim-chat"] };

    expect(problemsOf({ ...file, amqp, models })).toEqual([]);
    expect(problemsOf({ ...file, models: { ...models, [long]: file.models["sim-chat"] } })).toEqual(
      [expect.stringContaining(`models.${long}: the name must have at most 128 characters`)],
    );
  });

  test("refuses a call that RabbitMQ would cut, and says both keys and what to set there", () => {
    const [refused, allowed] = [60_000, 60_001].map((moreMs) =>
      problemsOf({
        ...file,
        amqp: { url: "amqp://localhost", consumer_timeout_ms: 7_200_000 + moreMs },
        models: { ...file.models, long: { ...file.models["sim-chat"], timeout_ms: 7_200_000 } },
      }),
    );

    expect(refused).toHaveLength(1);
    for (const part of [
      "models.long.timeout_ms",
      "amqp.consumer_timeout_ms",
      "consumer_timeout in RabbitMQ's rabbitmq.conf",
    ])
      expect(refused?.[0]).toContain(part);
    expect(allowed).toEqual([]);
  });
});
