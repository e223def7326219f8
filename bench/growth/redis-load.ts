import { untilTrue } from "../../local/stack/eventually.ts";
import type { Session } from "../measure/session.ts";

const REST_LIMIT_MS = 120_000;
/** Commands that took less than this per request are not worth a word, microseconds. */
const WORTH_US = 1;

const infoOf = (session: Session, section: string): Promise<string> =>
  session.stack.books.redis.run(({ client }) => client.info(section));

/** Bytes that Redis has given out. */
export async function redisBytes(session: Session): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await infoOf(session, "memory"))?.[1] ?? 0);
}

/**
 * Waits until Redis has written its log anew, which it does after it was filled and which takes a core
 * meanwhile.
 */
export async function untilRedisRests(session: Session): Promise<void> {
  await untilTrue("Redis has rewritten its log", REST_LIMIT_MS, async () =>
    isResting(await infoOf(session, "persistence")),
  );
}

export const isResting = (info: string): boolean =>
  !/^aof_rewrite_(?:in_progress|scheduled):1/m.test(info);

/** Microseconds that each command has taken so far. */
export async function redisCommands(session: Session): Promise<Map<string, number>> {
  return parseCommands(await infoOf(session, "commandstats"));
}

/**
 * `cmdstat_evalsha:calls=3,usec=120,…` → evalsha: 120. Commands within scripts are counted there and in the
 * script.
 */
export function parseCommands(info: string): Map<string, number> {
  const found = info.matchAll(/^cmdstat_([^:]+):calls=\d+,usec=(\d+)/gm);
  return new Map([...found].map(([, name = "", usec]) => [name, Number(usec)]));
}

/**
 * Which commands took how much of the time between two readings, per request; those that come from scripts
 * are part of `evalsha`.
 */
export function describeCommands(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  requests: number,
): string {
  return [...after]
    .map(([name, usec]) => ({ name, us: (usec - (before.get(name) ?? 0)) / requests }))
    .filter(({ name, us }) => us >= WORTH_US && STANDALONE.has(name))
    .toSorted((a, b) => b.us - a.us)
    .map(({ name, us }) => `${name} ${us.toFixed(0)} µs`)
    .join(", ");
}

/** Sent by Tollgate outside of scripts. */
const STANDALONE = new Set(["evalsha", "scan", "hscan", "publish"]);
