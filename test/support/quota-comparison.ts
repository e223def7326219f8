import { expect } from "bun:test";

import type { RedisConnection } from "../../adapters/redis/connection.ts";
import { booksKeys, counterKeys, holdsKey } from "../../adapters/redis/keys.ts";
import type { QuotaStore } from "../../adapters/redis/quota-store.ts";
import type { Consumption } from "../../core/quota/quota.ts";
import { dayOf, windowIdOf } from "../../core/quota/windows.ts";
import { snapshotOfModel } from "./fakes/quota-model.ts";
import { type QuotaWorld, todayOf } from "./quota-world.ts";

const DAY_MS = 86_400_000;

/** An unsure user is known for two seconds at most, so that a later reading corrects the counters. */
export async function expectSameSureness(redis: RedisConnection, world: QuotaWorld): Promise<void> {
  const ttlMs = await redis.run(({ client }) => client.pttl(booksKeys(world.userId).marker));
  const { isKnown, isUnsure } = world.model;
  if (isKnown) expect(ttlMs <= 2_000).toBe(isUnsure);
}

/** Holds and the counters of the windows that are open or were so until yesterday, as Redis has them. */
export async function expectSameBooks(
  redis: RedisConnection,
  store: QuotaStore,
  world: QuotaWorld,
): Promise<void> {
  const { userId, model, nowMs } = world;
  const days = [todayOf(world), dayOf(nowMs - DAY_MS)];
  const stored = await redis.run(({ client }) => client.hgetall(holdsKey(userId)));
  const holds = Object.entries(stored).map(([id, hold]) => `${id}|${hold}`.replace(/\|\d+$/, ""));
  const expected = Object.values(model.holds).map((h) => `${h.requestId}|${h.tokens}|${h.day}`);
  expect(new Set(holds)).toEqual(new Set(expected));

  for (const day of days) {
    const values = await redis.run(({ client }) => client.mget(counterKeys(userId, day)));
    const [dailyRequests, dailyTokens, heldRequests, heldTokens, ...ofMonth] = values;
    const [monthlyRequests, monthlyTokens, dailyFailed, monthlyFailed] = ofMonth;
    const ofDay = model.windows[day];
    const month = model.windows[windowIdOf("monthly", day)];
    expect([dailyRequests, dailyTokens]).toEqual(asStored(ofDay?.used));
    expect([monthlyRequests, monthlyTokens]).toEqual(asStored(month?.used));
    expect([Number(dailyFailed), Number(monthlyFailed)]).toEqual([
      ofDay?.failed ?? 0,
      month?.failed ?? 0,
    ]);
    const held = Object.values(model.holds).filter((hold) => hold.day === day);
    expect([Number(heldRequests), Number(heldTokens)]).toEqual([
      held.length,
      held.reduce((sum, hold) => sum + hold.tokens, 0),
    ]);
  }
  if (!model.isKnown) return;
  expect(await store.read(userId)).toEqual(snapshotOfModel(model, nowMs, todayOf(world)));
}

function asStored(amount: Consumption | undefined): (string | null)[] {
  return amount === undefined ? [null, null] : [String(amount.requests), String(amount.tokens)];
}
