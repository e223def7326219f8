import type { QuotaLimits } from "../../core/quota/quota.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { Session } from "../measure/session.ts";
import { nthUserId } from "../measure/users.ts";
import { type Filling, inParts } from "./parts.ts";

/** Redis is filled for this long at most. */
const LOAD_LIMIT_MS = 150_000;
const REST_LIMIT_MS = 120_000;
const NO_LIMIT = { requests: null, tokens: null };
const NO_LIMITS: QuotaLimits = {
  windows: { daily: NO_LIMIT, monthly: NO_LIMIT },
  failedExecutions: { daily: null, monthly: null },
  concurrentRequests: null,
};

/**
 * Makes Redis know users by the product's own script, as first calls would, for some minutes at most. Returns
 * how many it did not know.
 */
export async function loadUsers({ stack }: Session, filling: Filling): Promise<number> {
  const { quota } = stack.books;
  let loaded = 0;
  async function load(n: number): Promise<void> {
    const ticket = await quota.beginLoad(nthUserId(n));
    if (ticket === undefined) return;
    await quota.load(nthUserId(n), ticket, { limits: NO_LIMITS, days: [], holds: [] });
    loaded += 1;
  }
  await inParts(filling, { size: 500, limitMs: LOAD_LIMIT_MS }, (first, end) =>
    Promise.all(Array.from({ length: end - first }, (_, i) => load(first + i))),
  );
  return loaded;
}

/** Makes Redis forget all users, so that their next calls are first calls. */
export async function forgetUsers({ stack, users }: Session): Promise<void> {
  for (const { userId } of users) await stack.books.quota.forget(userId);
}

export const redisInfo = (
  { stack }: Session,
  section: "memory" | "persistence" | "commandstats",
): Promise<string> => stack.books.redis.run(({ client }) => client.info(section));

/** Bytes that Redis has given out. */
export const redisBytes = async (session: Session): Promise<number> =>
  Number(/^used_memory:(\d+)/m.exec(await redisInfo(session, "memory"))?.[1] ?? 0);

/**
 * Waits until Redis has written its log anew, which it does after it was filled and which takes a core
 * meanwhile.
 */
export async function untilRedisRests(session: Session): Promise<void> {
  await untilTrue("Redis has rewritten its log", REST_LIMIT_MS, async () =>
    isResting(await redisInfo(session, "persistence")),
  );
}

export const isResting = (info: string): boolean =>
  !/^aof_rewrite_(?:in_progress|scheduled):1/m.test(info);

/** Sent by Tollgate outside of scripts. */
const STANDALONE = ["evalsha", "scan", "hscan", "publish"];

/**
 * Which commands took how much of the time between two readings of `commandstats`, per request; those that
 * come from scripts are part of `evalsha`.
 */
export function describeCommands(before: string, after: string, requests: number): string {
  const usecOf = (info: string, name: string): number =>
    Number(new RegExp(`^cmdstat_${name}:calls=\\d+,usec=(\\d+)`, "m").exec(info)?.[1] ?? 0);
  return STANDALONE.map((name) => ({
    name,
    us: (usecOf(after, name) - usecOf(before, name)) / requests,
  }))
    .filter(({ us }) => us >= 1)
    .toSorted((a, b) => b.us - a.us)
    .map(({ name, us }) => `${name} ${us.toFixed(0)} µs`)
    .join(", ");
}
