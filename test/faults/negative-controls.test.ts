import { randomUUIDv7 } from "bun";
import { expect } from "bun:test";

import { counterKeys } from "../../adapters/redis/keys.ts";
import { dayOf } from "../../core/quota/windows.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { openPostOffice } from "../support/stack/post-office.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { violationsOf } from "../../history/check.ts";
import { type Bug, testFindsBug } from "./seeded-bugs.ts";

/**
 * Takes one message out of a queue while nobody else does, as a consumer does that acks before its work is
 * done.
 */
async function ackWithoutWork(
  stack: TestStack,
  queue: string,
  consumers: TestStack["workers"],
): Promise<void> {
  await Promise.all(consumers.map((consumer) => consumer.terminate()));
  await untilTrue("messages wait", 10_000, async () => {
    const depths = await stack.books.depths();
    return (depths[queue] ?? 0) > 1;
  });
  const post = openPostOffice(stack);
  const [, ...kept] = await post.takeAll(queue);
  for (const message of kept) await post.put(queue, message);
  await post.close();
  await Promise.all(consumers.map((consumer) => consumer.start()));
}

const BUGS: readonly Bug[] = [
  {
    name: "a request is acked without a result",
    when: "during",
    seed: (stack) => ackWithoutWork(stack, "inference_requests", stack.workers),
    expectFound: (report) => {
      expect(violationsOf(report)).toEqual(["lost", "holdsLeft"]);
      expect(report.lost).toHaveLength(1);
    },
  },
  {
    name: "a result is acked without a commit",
    when: "during",
    seed: (stack) => ackWithoutWork(stack, "inference_results", stack.collectors),
    expectFound: (report) => {
      expect(violationsOf(report)).toEqual(["lost", "holdsLeft"]);
      expect(report.lost).toHaveLength(1);
    },
  },
  {
    name: "a request is settled twice",
    when: "after",
    seed: async (stack, [{ userId }]) => {
      const [, tokensKey = ""] = counterKeys(userId, dayOf(Date.now()));
      // A settle returns the unused part of the estimate; a second settle returns it again.
      await stack.books.redis.run(({ client }) => client.incrby(tokensKey, -20));
    },
    expectFound: (report) => {
      expect(violationsOf(report)).toEqual(["differences", "driftTokens"]);
      expect(report.driftTokens).toBe(20);
    },
  },
  {
    name: "a refused request keeps its hold",
    when: "after",
    seed: async (stack, [{ userId }]) => {
      const requestId = randomUUIDv7();
      await stack.books.quota.admit({ userId, requestId, tokens: 50 });
    },
    expectFound: (report) => {
      expect(violationsOf(report)).toEqual(["differences", "driftTokens", "holdsLeft"]);
      expect(report.holdsLeft).toBe(1);
    },
  },
  {
    name: "a request is billed more than it used",
    when: "after",
    seed: async ({ books }) => {
      await books.database.run(
        "open the ledger",
        (sql) => sql`alter table token_logs disable trigger all`,
      );
      await books.database.run(
        "bill more",
        (sql) => sql`
          update token_logs
          set completion_tokens = completion_tokens + 1
          where request_id = (select min(request_id::text)::uuid from token_logs)`,
      );
    },
    expectFound: (report) => {
      expect(report.misbilled).toHaveLength(1);
      expect(violationsOf(report)).toContain("differences");
    },
  },
  {
    name: "a stored request disappears",
    when: "after",
    seed: async ({ books }) => {
      await books.database.run(
        "lose a request",
        (sql) => sql`
          delete from requests
          where request_id = (select min(request_id::text)::uuid from requests)`,
      );
    },
    expectFound: (report) => {
      expect(report.lost).toHaveLength(1);
    },
  },
];

for (const bug of BUGS) testFindsBug(bug);
