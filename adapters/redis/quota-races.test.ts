import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { QuotaTruth } from "../../core/quota/quota.ts";
import { createQuotaGate, type QuotaGate } from "../quota/quota-gate.ts";
import { dayOf } from "../../core/quota/windows.ts";
import type { RedisConnection } from "./connection.ts";
import { booksKeys, counterKeys } from "./keys.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
import { limitsOf, newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";

setDefaultTimeout(30_000);

const REQUESTS = 2_000;
const PARALLEL = 50;
const ESTIMATE = 10;

let connections: RedisConnection[];
let stores: QuotaStore[];

beforeAll(async () => {
  connections = await Promise.all([connectForTest(), connectForTest()]);
  stores = connections.map((redis) => createQuotaStore(redis));
});
afterAll(() => connections.forEach((redis) => redis.close()));

/** PostgreSQL in memory: what is read is of one instant, and takes a while to arrive. */
function createTables(userId: string) {
  const day = dayOf(Date.now());
  const open = new Set<string>();
  const billed = new Map<string, number>();
  const sum = () => [...billed.values()].reduce((total, tokens) => total + tokens, 0);
  const readTruth = async (_: string, recent: string[]): Promise<QuotaTruth> => {
    await pause();
    const truth = {
      limits: limitsOf({ concurrent: PARALLEL }),
      days: [{ day, requests: billed.size, tokens: sum(), failedExecutions: 0 }],
      holds: [...open].map((requestId) => ({ userId, requestId, day, tokens: ESTIMATE })),
      unstored: recent.filter((id) => !open.has(id) && !billed.has(id)),
    };
    await pause();
    return truth;
  };
  return { open, billed, sum, readTruth };
}

const pause = (): Promise<void> => Bun.sleep(Math.random() * 3);

/** One request from its hold to its settlement; a random amount is billed. */
async function passThrough(
  userId: string,
  tables: ReturnType<typeof createTables>,
  gate: QuotaGate,
  store: QuotaStore,
): Promise<void> {
  const requestId = newId();
  const { admitted } = await gate.admitOrRebuild({ userId, requestId, tokens: ESTIMATE });
  if (!admitted) return;
  await pause();
  tables.open.add(requestId);
  await pause();
  const billedTokens = Math.floor(Math.random() * 2 * ESTIMATE);
  tables.open.delete(requestId);
  tables.billed.set(requestId, billedTokens);
  await pause();
  await store.settle([{ userId, requestId, billedTokens, failedExecutions: 0, expectHold: true }]);
}

/**
 * Runs requests on both connections while `disturb` does its worst; returns what the quota says at rest, and
 * the ledger.
 */
async function runDisturbed(disturb: (userId: string) => Promise<unknown>) {
  const userId = newId();
  const tables = createTables(userId);
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
        await passThrough(userId, tables, gate, store);
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
  const { windows, openRequests } = (await gates[0]?.readOrRebuild(userId)) ?? {};
  return {
    quota: { ...windows?.monthly.used, held: windows?.monthly.held, openRequests },
    ledger: {
      requests: tables.billed.size,
      tokens: tables.sum(),
      held: { requests: 0, tokens: 0 },
      openRequests: 0,
    },
  };
}

test("a user that is forgotten and rebuilt again and again under load has exact books at rest", async () => {
  const { quota, ledger } = await runDisturbed((userId) => stores[0]?.forget(userId) ?? pause());

  expect(quota).toEqual(ledger);
  expect(ledger.requests).toBeGreaterThan(REQUESTS / 2);
});

test("a user whose keys are lost again and again under load has exact books at rest", async () => {
  const { quota, ledger } = await runDisturbed(
    (userId) =>
      connections[0]?.run(({ client }) =>
        client.del(...Object.values(booksKeys(userId)), ...counterKeys(userId, dayOf(Date.now()))),
      ) ?? pause(),
  );

  expect(quota).toEqual(ledger);
  expect(ledger.requests).toBeGreaterThan(REQUESTS / 2);
});
