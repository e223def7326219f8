import { describe, expect, test } from "bun:test";

import { ConfigError, parseConfig } from "./parse.ts";

const rest = {
  allow_plaintext: true,
  postgres: { url: "postgres://a@b/c" },
  amqp: { url: "amqp://b" },
  secrets: { encryption_keys: "k1:AAAA", key_pepper: "p".repeat(32) },
  default_tier: "free",
  tiers: { free: {} },
  default_model: "sim-chat",
  models: { "sim-chat": { protocol: "openai-chat", url: "http://m" } },
};
const redisOf = (redis: object, env: Record<string, string> = {}) =>
  parseConfig({ ...rest, redis }, env).redis;

function problemsOf(redis: object): readonly string[] {
  try {
    redisOf(redis);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("the section redis", () => {
  test.each([
    [{ url: "redis://cache.example" }, 1],
    [{ url: "redis://any", cluster: { nodes: ["cache.example:6379"] } }, 1],
    [{ url: "rediss://cache.example" }, 0],
    [{ url: "redis://[::1]:6379" }, 0],
    [{ url: "redis://any", cluster: { nodes: ["127.0.0.1:6379", "localhost:6380"] } }, 0],
  ])("leads to another machine encrypted, or not at all: %p", (redis, count) => {
    const strict = { ...rest, allow_plaintext: false, redis };
    const local = {
      postgres: { url: "postgres://localhost/c" },
      amqp: { url: "amqp://localhost" },
      models: { "sim-chat": { protocol: "openai-chat", url: "http://localhost" } },
    };
    let problems: readonly string[] = [];
    try {
      parseConfig({ ...strict, ...local }, {});
    } catch (error) {
      ({ problems } = error as ConfigError);
    }

    expect(problems).toHaveLength(count);
  });

  test("takes a group of Sentinels from the environment alone, lists by commas", () => {
    const { sentinels } = redisOf(
      { url: "rediss://:p@any" },
      {
        TOLLGATE_REDIS__SENTINELS__NODES: "one:26379, [::1]:26380",
        TOLLGATE_REDIS__SENTINELS__NAME: "quota",
        TOLLGATE_REDIS__SENTINELS__PASSWORD: "123",
        TOLLGATE_REDIS__SENTINELS__PLAIN: "true",
      },
    );

    expect(sentinels).toEqual({
      nodes: ["one:26379", "[::1]:26380"],
      name: "quota",
      password: "123",
      plain: true,
    });
  });

  test("takes one node of a cluster from the environment", () => {
    const { cluster } = redisOf({ url: "redis://any" }, { TOLLGATE_REDIS__CLUSTER__NODES: "a:1" });

    expect(cluster).toEqual({ nodes: ["a:1"] });
  });

  const cluster = { nodes: ["a:1"] };
  const sentinels = { nodes: ["a:1"] };
  test.each([
    ["a node without a port", { cluster: { nodes: ["a"] } }, "redis.cluster.nodes.0:"],
    ["no node", { sentinels: { nodes: [] } }, "redis.sentinels.nodes:"],
    ["both groups", { cluster, sentinels }, "redis.cluster:"],
    ["a database of a cluster", { url: "redis://a/1", cluster }, "redis.url:"],
    ["certificates without TLS", { tls: { ca: "ca.pem" } }, "redis.tls:"],
    ["a bare % in the password", { url: "redis://:50%@a" }, "redis.url:"],
    [
      "Sentinels with certificates and without TLS",
      { sentinels: { ...sentinels, plain: true, tls: {} } },
      "redis.sentinels.plain:",
    ],
  ])("refuses %s", (_what, redis, where) => {
    const problems = problemsOf({ url: "redis://a", ...redis });

    expect(problems.length).toBe(1);
    expect(problems[0]).toStartWith(where);
  });
});
