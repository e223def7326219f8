import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createQuotaGate } from "../quota/quota-gate.ts";
import { dayOf } from "../../core/quota/windows.ts";
import type { RedisConnection } from "./connection.ts";
import { booksKeys, counterKeys } from "./keys.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
import { limitsOf, newId } from "../../test/support/quota-samples.ts";
import { booksAtRest, createTables, passThrough } from "../../test/support/quota-traffic.ts";
import { connectForTest } from "../../test/support/redis.ts";

setDefaultTimeout(30_000);

const REQUESTS = 2_000;
const PARALLEL = 50;

let connections: RedisConnection[];
let stores: QuotaStore[];

beforeAll(async () => {
  connections = await Promise.all([connectForTest(), connectForTest()]);
  stores = connections.map((redis) => createQuotaStore(redis));
});
afterAll(() => connections.forEach((redis) => redis.close()));

/**
 * Runs requests on both connections while `disturb` does its worst; returns what the quota says at rest, and
 * the ledger.
 */
async function runDisturbed(disturb: (userId: string) => Promise<unknown>) {
  const userId = newId();
  const tables = createTables(userId, limitsOf({ concurrent: PARALLEL }));
  const gates = stores.map((store) => createQuotaGate({ ...store, readTruth: tables.readTruth }));
  let started = 0;
  const over = new AbortController();
  const disturbing = (async () => {
    let startedBefore = 0;
    while (!over.signal.aborted) {
      await Bun.sleep(40);
      // On a machine so busy that nothing came through meanwhile, the user would be lost at every try, and
      // the gate rightly gives up.
      if (started < startedBefore + PARALLEL) continue;
      startedBefore = started;
      await disturb(userId);
    }
  })();

  const running = Promise.all(
    Array.from({ length: PARALLEL }, async (_, i) => {
      const [gate, store] = [gates[i % 2], stores[i % 2]];
      if (gate === undefined || store === undefined) throw new Error("two connections are needed");
      while (started < REQUESTS) {
        started += 1;
        await passThrough(tables, gate, store);
      }
    }),
  );
  try {
    await running;
  } finally {
    over.abort();
    await disturbing;
  }
  // A load that may have missed a bill lasts two seconds.
  await Bun.sleep(2_100);
  const [gate] = gates;
  if (gate === undefined) throw new Error("a connection is needed");
  return booksAtRest(tables, gate);
}

test("a user that is forgotten and rebuilt again and again under load has exact books at rest", async () => {
  const { quota, ledger } = await runDisturbed(
    (userId) => stores[0]?.forget(userId) ?? Promise.resolve(),
  );

  expect(quota).toEqual(ledger);
  expect(ledger.requests).toBeGreaterThan(REQUESTS / 2);
});

test("a user whose keys are lost again and again under load has exact books at rest", async () => {
  const { quota, ledger } = await runDisturbed(
    (userId) =>
      connections[0]?.run(({ client }) =>
        client.del(...Object.values(booksKeys(userId)), ...counterKeys(userId, dayOf(Date.now()))),
      ) ?? Promise.resolve(),
  );

  expect(quota).toEqual(ledger);
  expect(ledger.requests).toBeGreaterThan(REQUESTS / 2);
});
