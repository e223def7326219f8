import { expect } from "bun:test";

import { untilTrue } from "../../local/stack/eventually.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";
import { findInPostgres, findInQueues, findInRedis } from "../support/stack/search-stores.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";

const test = testsOnStack();

test("a prompt and its result are readable in no table, key, queue, log or metric", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  const canary = `canary-${crypto.randomUUID()}`;
  const prompt = `${canary} in plain words`;
  const { text } = simulatedAnswer(prompt, 100);
  const theirWords = "temperature must be at most 2";
  // In the pieces of an answer each word stands alone; `"delta"` would be there with any of them.
  const secrets = [canary, text, theirWords, `key-${canary}`, '"delta"'];
  const body = { prompt, max_tokens: 100, metadata: { note: canary } };

  // One has ended, one was streamed, one has failed and is a dead letter, one is in the queue of requests.
  const first = await api.generate(body, { idempotencyKey: `key-${canary}` });
  const ended = await api.untilEnded(first.request_id);
  const streamed = await api.generate({ ...body, stream: true });
  await api.untilEnded(streamed.request_id);
  const deltas = `deltas:${streamed.request_id}`;
  const failing = await api.generate({ ...body, prompt: `${canary} [[sim:422]]` });
  const failed = await api.untilEnded(failing.request_id);
  await stack.workers[0]?.terminate();
  await api.generate(body);
  await untilTrue("a message waits in the queue", 5_000, async () => {
    const depths = await stack.books.depths();
    return depths["inference_requests"] === 1;
  });
  const found: string[] = [];
  for (const secret of secrets) {
    found.push(
      ...(await findInPostgres(stack.urls.postgres, secret)),
      ...(await findInRedis(stack.urls.redis, secret)),
      ...(await findInQueues(stack.books, secret)),
    );
    for (const component of stack.components()) {
      if (component.log().includes(secret)) found.push(`log of ${component.name}`);
    }
    for (const component of [...stack.gateways, ...stack.collectors]) {
      const metrics = await component.readMetrics();
      if (metrics.includes(secret)) found.push(`metrics of ${component.name}`);
    }
  }
  await stack.workers[0]?.start();

  expect(ended.result?.choices[0]?.text).toBe(text);
  expect(failed.error).toMatchObject({
    upstream: { status: 422, message: expect.stringContaining(theirWords) },
  });
  expect(found).toEqual([]);
  // They were there to be found.
  expect(await findInRedis(stack.urls.redis, deltas)).toEqual([expect.stringContaining(deltas)]);
});

test("the search for secrets finds what is there", async (stack) => {
  const { userId } = await stack.addUser();
  const found = [
    ...(await findInPostgres(stack.urls.postgres, userId)),
    ...(await findInRedis(stack.urls.redis, "tollgate-no-such-thing")),
  ];
  await stack.books.redis.run(({ client }) => client.hset("planted", "a", "plain words"));
  const api = stack.api({ userId, apiKey: (await stack.addUser()).apiKey });
  await api.untilEnded((await api.generate({ prompt: "die [[sim:400]]" })).request_id);

  expect(found).toContain("users.user_id");
  expect(await findInRedis(stack.urls.redis, "plain words")).toEqual(["planted"]);
  expect(await findInQueues(stack.books, "UPSTREAM_REJECTED")).toContain("inference_requests.dead");
  await stack.books.redis.run(({ client }) => client.del("planted"));
});
