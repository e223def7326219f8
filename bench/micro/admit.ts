import { connectRedis } from "../../adapters/redis/connection.ts";
import { createQuotaStore } from "../../adapters/redis/quota-store.ts";
import type { QuotaLimits } from "../../core/quota/quota.ts";
import { silentLog } from "../../runtime/log.ts";
import { measureAll, requireServer } from "./measure.ts";

// What it leaves in that Redis expires by itself; users are random.
const url = requireServer("REDIS_URL");
const redis = connectRedis({
  url,
  commandTimeoutMs: 5_000,
  name: "tollgate-micro",
  log: silentLog,
});
await redis.untilReady(5_000);
const store = createQuotaStore(redis);

const AT_ONCE = 256;
const USERS = 100;
const noLimit = { requests: null, tokens: null };
const limits: QuotaLimits = {
  windows: { daily: noLimit, monthly: noLimit },
  failedExecutions: { daily: null, monthly: null },
  concurrentRequests: null,
};
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
  await store.settle(
    holds.map((hold) => ({ ...hold, billedTokens: 50, failedExecutions: 0, expectHold: true })),
  );
}

async function loadForgotten(i: number): Promise<void> {
  const userId = users[i % USERS] ?? "";
  await store.forget(userId);
  await load(userId);
}

await measureAll([
  ["load a user seen for the first time", () => load(crypto.randomUUID())],
  ["load a user who was forgotten", loadForgotten],
  [`load a user with ${OPEN} open requests`, loadCrowded],
  [`admit and settle, ${AT_ONCE} at once`, () => admitAndSettle(AT_ONCE), AT_ONCE],
  ["admit and settle, one after the other", () => admitAndSettle(1)],
]);
redis.close();
process.exit(0);
