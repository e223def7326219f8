import { afterAll, beforeAll, expect, test } from "bun:test";

import { generateEncryptionKey } from "../../adapters/crypto/envelope.ts";
import { serverUrls } from "../support/servers.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { type TestStack, startTestStack } from "../support/stack/stack.ts";
import { violationsOf } from "../../history/check.ts";
import { formatReport } from "../../history/report.ts";
import { createRuns, type Runs } from "./run.ts";

const KEYS = "TOLLGATE_SECRETS__ENCRYPTION_KEYS";

let stack: TestStack;
let runs: Runs;
beforeAll(async () => {
  stack = await startTestStack({ servers: serverUrls(), gateways: 2, workers: 2, collectors: 2 });
  runs = createRuns(stack);
}, 60_000);
afterAll(async () => {
  runs.close();
  await stack.stop();
}, 30_000);

/** Restarts all processes with other keys, one after the other. */
async function roll(keys: readonly (string | undefined)[]): Promise<void> {
  for (const component of stack.components()) {
    expect(await component.terminate()).toBe(0);
    await component.start({ [KEYS]: keys.join(",") });
  }
}

/** How many prompts and results are sealed with each key; a record has its key's id after two bytes. */
async function countByKey(): Promise<Record<string, number>> {
  const rows = await stack.books.database.run(
    "count by key",
    (sql) => sql<{ key: string; count: number }[]>`
      select convert_from(substring(record from 3 for 2), 'UTF8') as key, count(*)
      from requests, unnest(array[prompt, result]) as record
      where record is not null
      group by 1`,
  );
  return Object.fromEntries(rows.map(({ key, count }) => [key, count]));
}

test("an encryption key is rotated under load, and what the old one sealed stays readable", async () => {
  const user = await stack.addUser();
  const oldKey = stack.env[KEYS];
  const newKey = generateEncryptionKey("k2");

  const report = await runs.underLoad({ usersOf: async () => [user] }, async (load) => {
    await untilTrue("the load runs", 5_000, () => load.counts().acknowledged > 50);
    await roll([oldKey, newKey]);
    expect(Object.keys(await countByKey())).toEqual(["k1"]);
    await roll([newKey, oldKey]);
    const before = load.counts().acknowledged;
    await untilTrue("more is accepted", 5_000, () => load.counts().acknowledged > before + 50);
  });
  process.stdout.write(`${formatReport(report)}\n`);
  if (violationsOf(report).length > 0) process.stderr.write(`${stack.logTail()}\n`);

  expect(violationsOf(report)).toEqual([]);
  expect(Object.keys(report.states)).toEqual(["completed"]);
  const counts = await countByKey();
  expect(counts["k1"]).toBeGreaterThan(100);
  expect(counts["k2"]).toBeGreaterThan(100);
  const oldest = await stack.books.database.run(
    "find the oldest requests",
    (sql) => sql<{ request_id: string }[]>`
      select request_id from requests order by request_id limit 20`,
  );
  for (const gateway of [0, 1])
    for (const { request_id: requestId } of oldest) {
      const { result } = await stack.api(user, gateway).status(requestId);
      expect(result?.choices[0]?.text).not.toBe("");
    }
}, 90_000);
