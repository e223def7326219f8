import { connectRedis } from "../../adapters/redis/connection.ts";
import { createQuotaStore } from "../../adapters/redis/quota-store.ts";
import { silentLog } from "../../runtime/log.ts";
import { loadUser } from "../growth/redis.ts";
import { measureAll, requireServer } from "./measure.ts";

// What it leaves in that Redis expires by itself; users are random.
const server = { url: requireServer("REDIS_URL"), commandTimeoutMs: 5_000 };
const redis = connectRedis({ ...server, name: "tollgate-micro", log: silentLog });
await redis.untilReady(5_000);
const store = createQuotaStore(redis);

const AT_ONCE = 256;
const USERS = 100;
const users = Array.from({ length: USERS }, () => crypto.randomUUID());
for (const userId of users) await loadUser(store, userId);

const OPEN = 100_000;
const crowded = crypto.randomUUID();
const day = new Date().toISOString().slice(0, 10);
const openHolds = Array.from({ length: OPEN }, () => {
  return { userId: crowded, requestId: Bun.randomUUIDv7(), day, tokens: 100 };
});

async function loadForgotten(userId: string, holds: typeof openHolds = []): Promise<void> {
  await store.forget(userId);
  await loadUser(store, userId, holds);
}

async function admitAndSettle(count: number): Promise<void> {
  const holds = Array.from({ length: count }, (_, index) => {
    return { userId: users[index % USERS] ?? "", requestId: crypto.randomUUID() };
  });
  await Promise.all(holds.map((hold) => store.admit({ ...hold, tokens: 100 })));
  const settled = { billedTokens: 50, failedExecutions: 0, expectHold: true };
  await store.settle(holds.map((hold) => ({ ...hold, ...settled })));
}

await measureAll([
  ["load a user seen for the first time", () => loadUser(store, crypto.randomUUID())],
  ["load a user who was forgotten", (i) => loadForgotten(users[i % USERS] ?? "")],
  [`load a user with ${OPEN} open requests`, () => loadForgotten(crowded, openHolds)],
  [`admit and settle, ${AT_ONCE} at once`, () => admitAndSettle(AT_ONCE), AT_ONCE],
  ["admit and settle, one after the other", () => admitAndSettle(1)],
]);
redis.close();
process.exit(0);
