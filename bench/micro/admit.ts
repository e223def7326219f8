import { connectRedis } from "../../adapters/redis/connection.ts";
import { createQuotaStore } from "../../adapters/redis/quota-store.ts";
import { measureAll } from "./measure.ts";

// Needs a Redis that may be written to: its URL in REDIS_URL. What it leaves expires by itself; users are random.
const url = process.env["REDIS_URL"];
if (url === undefined) throw new Error("set REDIS_URL to a Redis that may be written to");

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const redis = connectRedis({ url, commandTimeoutMs: 5_000, name: "tollgate-micro", log: silent });
await redis.untilReady(5_000);
const store = createQuotaStore(redis);

const AT_ONCE = 256;
const USERS = 100;
const noLimit = { requests: null, tokens: null };
const limits = { windows: { daily: noLimit, monthly: noLimit }, concurrentRequests: null };
const users = Array.from({ length: USERS }, () => crypto.randomUUID());
async function load(userId: string): Promise<void> {
  const ticket = await store.beginLoad(userId);
  if (ticket !== undefined) await store.load(userId, ticket, { limits, days: [], holds: [] });
}
for (const userId of users) await load(userId);

const OPEN = 100_000;
const crowded = crypto.randomUUID();
const day = new Date().toISOString().slice(0, 10);
const openHolds = Array.from({ length: OPEN }, () => ({
  userId: crowded,
  requestId: Bun.randomUUIDv7(),
  day,
  tokens: 100,
}));

async function loadCrowded(): Promise<void> {
  await store.forget(crowded);
  const ticket = await store.beginLoad(crowded);
  if (ticket !== undefined)
    await store.load(crowded, ticket, { limits, days: [], holds: openHolds });
}

async function admitAndSettle(count: number): Promise<void> {
  const holds = Array.from({ length: count }, (_, index) => ({
    userId: users[index % USERS] ?? "",
    requestId: crypto.randomUUID(),
  }));
  await Promise.all(holds.map((hold) => store.admit({ ...hold, tokens: 100 })));
  await store.settle(holds.map((hold) => ({ ...hold, billedTokens: 50, expectHold: true })));
}

await measureAll([
  {
    name: "load a user seen for the first time",
    run: async (times) => {
      for (let i = 0; i < times; i += 1) await load(crypto.randomUUID());
    },
  },
  {
    name: "load a user who was forgotten",
    run: async (times) => {
      for (let i = 0; i < times; i += 1) {
        const userId = users[i % USERS] ?? "";
        await store.forget(userId);
        await load(userId);
      }
    },
  },
  {
    name: `load a user with ${OPEN} open requests`,
    run: async (times) => {
      for (let i = 0; i < times; i += 1) await loadCrowded();
    },
  },
  {
    name: `admit and settle, ${AT_ONCE} at once`,
    run: async (times) => {
      for (let done = 0; done < times; done += AT_ONCE)
        await admitAndSettle(Math.min(AT_ONCE, times - done));
    },
  },
  {
    name: "admit and settle, one after the other",
    run: async (times) => {
      for (let i = 0; i < times; i += 1) await admitAndSettle(1);
    },
  },
]);
redis.close();
process.exit(0);
