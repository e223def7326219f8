import { afterAll, beforeAll, expect, test } from "bun:test";
import { deleteQueues } from "../../local/stack/delete-queues.ts";
import { startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { silentLog } from "../../runtime/log.ts";
import { until } from "../../test/support/until.ts";
import type { Config } from "../../core/config/schema.ts";
import { parseConfig } from "../../core/config/parse.ts";
import { queueDepths } from "../amqp/inspect.ts";
import { createAnswers, followQueues } from "./connections.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await startTestBroker([]);
});
afterAll(() => broker.stop());

const configWith = (models: string[], delaysMs: number[]): Config =>
  parseConfig(
    {
      postgres: { url: "postgres://localhost/db" },
      redis: { url: "redis://localhost" },
      amqp: { url: broker.url, queue_prefix: broker.prefix },
      secrets: { encryption_keys: "k1:AAAA", key_pepper: "p".repeat(32) },
      tiers: { standard: {} },
      default_tier: "standard",
      models: Object.fromEntries(
        models.map((name) => [name, { protocol: "openai-chat", url: "http://localhost" }]),
      ),
      default_model: "default",
      retry: { delays_ms: delaysMs },
    },
    {},
  );

test("a reload declares the queues of what is new, and leaves those of a removed model", async () => {
  const connection = await broker.connect();
  let reload: (config: Config) => void = () => {};
  const start = configWith(["default", "old"], [100]);
  const config = {
    current: () => start,
    onReload: (listener: (next: Config) => void) => {
      reload = listener;
    },
  };
  const queues = followQueues(config, connection, silentLog);
  const old = queues().requestsOf("old");
  await connection.withChannel((channel) =>
    channel.assertQueue(old.name, { arguments: old.arguments }),
  );

  reload(configWith(["default", "new"], [200]));

  const names = [queues().requestsOf("new"), ...queues().waits.map(({ queue }) => queue)].map(
    ({ name }) => name,
  );
  expect(names).toHaveLength(2);
  await until(async () => {
    const depths = await queueDepths(connection, [...names, old.name]);
    return [...depths.values()].every((depth) => depth !== null);
  }, 5_000);
  await deleteQueues(connection.withChannel, [...queues().queues, old]);
});

test("a server is asked at most once a second whether it answers", async () => {
  let nowMs = 0;
  let asked = 0;
  const replies: PromiseWithResolvers<void>[] = [];
  const answers = createAnswers(
    () => {
      asked += 1;
      const reply = Promise.withResolvers<void>();
      replies.push(reply);
      return reply.promise;
    },
    () => nowMs,
  );

  const first = Array.from({ length: 100 }, answers);
  // It takes its time, and is not asked again meanwhile.
  nowMs = 5_000;
  first.push(answers());
  replies[0]?.resolve();
  expect(new Set(await Promise.all(first))).toEqual(new Set([true]));
  nowMs = 5_999;
  expect(await answers()).toBe(true);
  expect(asked).toBe(1);

  nowMs = 6_000;
  const second = answers();
  replies[1]?.reject(new Error("it has gone"));

  expect(await second).toBe(false);
  expect(asked).toBe(2);
});
