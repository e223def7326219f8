import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { counterKeys } from "../../adapters/redis/keys.ts";
import type { Component } from "../../local/stack/component.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import {
  hasServerPrograms,
  type PrivateServers,
  startServersToWreck,
} from "../support/private-servers.ts";
import { type TestStack, startTestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";
import { violationsOf } from "../../history/check.ts";
import { formatReport } from "../../history/report.ts";
import { bringFaketime, createFakeClock, type FakeClock, NOTICED_MS } from "./midnight-clock.ts";
import { createRuns, type Runs } from "./run.ts";

const LAST_DAY = "2026-12-31";
const FIRST_DAY = "2027-01-01";
const MIDNIGHT_MS = Date.parse(FIRST_DAY);
const SKEW_MS = 300_000;
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 60_000;
const TEST_LIMIT_MS = 90_000;
/** What one of the users may use in a day; the load asks for more. */
const DAY_REQUESTS = 50;
const LOAD = { ratePerSecond: 60 };

const faketime = hasServerPrograms() ? await bringFaketime() : undefined;

// Where there is no libfaketime, or only containers run, no clock of a server can be set.
describe.skipIf(faketime === undefined)("with the clocks of all servers and processes set", () => {
  const undo: (() => Promise<unknown> | void)[] = [];
  let world: { stack: TestStack; runs: Runs; clock: FakeClock } | undefined;

  function makeClock(aheadMs: number): FakeClock {
    const clock = createFakeClock(faketime ?? "", aheadMs);
    undo.push(clock.remove);
    return clock;
  }

  beforeAll(async () => {
    // A minute before midnight, so that no part of the start is at midnight.
    const clock = makeClock(MIDNIGHT_MS - 60_000 - Date.now());
    const servers = await startServersToWreck();
    undo.push(servers.remove);
    await Promise.all([setClock(servers, clock, "redis"), setClock(servers, clock, "postgres")]);
    const names = ["gateway", "worker", "collector"].flatMap((role) => [`${role}-1`, `${role}-2`]);
    const stack = await startTestStack({
      servers: servers.urls,
      gateways: 2,
      workers: 2,
      collectors: 2,
      env: Object.fromEntries(names.map((name) => [name, clock.env("bun")])),
    });
    undo.push(stack.stop);
    const runs = createRuns(stack);
    undo.push(runs.close);
    world = { stack, runs, clock };
  }, START_LIMIT_MS);
  afterAll(async () => {
    for (const step of undo.toReversed()) await step();
  }, STOP_LIMIT_MS);

  function theWorld() {
    if (world === undefined) throw new Error("the stack did not start");
    return world;
  }

  /**
   * Runs a load on users of its own, and expects that it all completes and nothing is wrong with it and those
   * before.
   */
  async function underLoad(
    disturb: (counts: () => { acknowledged: number; refused: number }) => Promise<void>,
    users: TestUser[],
  ): Promise<void> {
    const { stack, runs } = theWorld();
    const report = await runs
      .underLoad({ ...LOAD, usersOf: async () => users }, ({ counts }) => disturb(counts))
      .catch((error: unknown) => {
        process.stderr.write(`${stack.logTail()}\n`);
        throw error;
      });
    if (violationsOf(report).length > 0) process.stderr.write(`${stack.logTail()}\n`);
    process.stdout.write(`${formatReport(report)}\n`);
    expect(violationsOf(report)).toEqual([]);
    expect(Object.keys(report.states)).toEqual(["completed"]);
  }

  const untilAfterMidnight = (ms: number): Promise<void> =>
    Bun.sleep(Math.max(0, MIDNIGHT_MS + ms - theWorld().clock.now()));

  /** Sets all clocks, and waits until the servers go by them. */
  async function setTime(ms: number): Promise<void> {
    const { stack, clock } = theWorld();
    clock.setAhead(ms - Date.now());
    await untilTrue("the servers have the time", 5_000, async () => {
      const { redisMs, postgresMs } = await serverTimes(stack);
      return [redisMs, postgresMs].every((at) => Math.abs(at - clock.now()) < 100);
    });
  }

  test(
    "a year ends under load: holds of the old day settle in it, the new day starts at zero, the books agree",
    async () => {
      const { stack } = theWorld();
      const users = [
        await stack.addUser(),
        await stack.addUser(),
        await stack.addUser({ daily: { requests: DAY_REQUESTS } }),
      ];
      const [user, , limited] = users;
      if (user === undefined || limited === undefined) throw new Error("there are three users");
      await setTime(MIDNIGHT_MS - 8_000);

      await underLoad(async (counts) => {
        await untilTrue(
          "the day's quota of one user is used up",
          6_000,
          () => counts().refused > 0,
        );
        await expectAuditAgrees(stack);
        await untilAfterMidnight(-1_200);
        await stack.simulator.set({ ttft_ms: 1_000 });
        await untilAfterMidnight(200);
        await expectAuditAgrees(stack);
        const [held] = await usedByRedis(stack, user, FIRST_DAY);
        const [before] = await usedByRedis(stack, user, LAST_DAY);
        expect(held).toBeLessThan(before ?? 0);
        await stack.simulator.set({ ttft_ms: 0 });
        await untilAfterMidnight(3_000);
      }, users);

      expect(await settledAfterMidnight(stack)).toBeGreaterThan(10);
      await expectDaysAgree(stack, users);
      expect((await ledgerOf(stack, limited, LAST_DAY))[0]).toBe(DAY_REQUESTS);
      expect((await ledgerOf(stack, limited, FIRST_DAY))[0]).toBeGreaterThan(10);
    },
    TEST_LIMIT_MS,
  );

  test(
    "all clocks step back over midnight under load, and each request counts in the day of its hold",
    async () => {
      const { stack } = theWorld();
      const users = [await stack.addUser(), await stack.addUser()];
      await setTime(MIDNIGHT_MS + 5_000);

      await underLoad(async (counts) => {
        await untilTrue("the load runs", 5_000, () => counts().acknowledged > 50);
        await setTime(MIDNIGHT_MS - 4_000);
        await expectAuditAgrees(stack);
        await untilAfterMidnight(2_000);
      }, users);

      await expectDaysAgree(stack, users);
      for (const user of users)
        for (const day of [LAST_DAY, FIRST_DAY])
          expect((await ledgerOf(stack, user, day))[0]).toBeGreaterThan(20);
    },
    TEST_LIMIT_MS,
  );

  test(
    "processes with clocks five minutes off accept, run and bill like all others, also after a step",
    async () => {
      const { stack, clock } = theWorld();
      const aheadMs = clock.now() - Date.now();
      const behind = makeClock(aheadMs - SKEW_MS);
      const ahead = makeClock(aheadMs + SKEW_MS);
      const pairs = [stack.gateways, stack.workers, stack.collectors];
      await Promise.all(pairs.flatMap(([a, b]) => [skew(a, behind), skew(b, ahead)]));
      const user = await stack.addUser();
      const startedMs = clock.now();

      await underLoad(async () => {
        await untilEachAccepts(stack, user, startedMs);
        behind.setAhead(aheadMs - 3 * SKEW_MS);
        ahead.setAhead(aheadMs - SKEW_MS);
        await Bun.sleep(NOTICED_MS);
        await untilEachAccepts(stack, user, clock.now());
      }, [user]);
    },
    TEST_LIMIT_MS,
  );
});

const setClock = (
  servers: PrivateServers,
  clock: FakeClock,
  name: "redis" | "postgres",
): Promise<void> => servers.restartWith(name, clock.env(name));

async function skew(component: Component | undefined, clock: FakeClock): Promise<void> {
  await component?.terminate();
  await component?.start(clock.env("bun"));
}

async function serverTimes({ books }: TestStack): Promise<{ redisMs: number; postgresMs: number }> {
  const [seconds = 0, micros = 0] = await books.redis.run(({ client }) => client.time());
  const [row] = await books.database.run(
    "read the time",
    (sql) => sql<{ at: number }[]>`select clock_timestamp() as at`,
  );
  return { redisMs: seconds * 1_000 + micros / 1_000, postgresMs: row?.at ?? 0 };
}

/**
 * Under load a busy machine may take longer from a hold to its row than an audit waits before it looks again.
 * Real drift stays.
 */
const expectAuditAgrees = ({ books }: TestStack): Promise<void> =>
  untilTrue("the audit agrees", 5_000, async () => (await books.audit()).differences.length === 0);

/**
 * Requests and tokens that Redis counts in a day: used, and of these held; then used in its month. At the end
 * the failed executions of both.
 */
async function usedByRedis({ books }: TestStack, user: TestUser, day: string): Promise<number[]> {
  const values = await books.redis.run(({ client }) => client.mget(counterKeys(user.userId, day)));
  return values.map(Number);
}

/** Requests and tokens of the ledger in a day. */
async function ledgerOf({ books }: TestStack, user: TestUser, day: string): Promise<number[]> {
  const [row] = await books.database.run(
    "sum a day of the ledger",
    (sql) => sql<{ requests: number; tokens: number }[]>`
      select count(*) as requests, coalesce(sum(total_tokens), 0)::bigint as tokens
      from token_logs
      where user_id = ${user.userId}
        and window_day = ${day}`,
  );
  return [row?.requests ?? 0, row?.tokens ?? 0];
}

/** Each of the two days is the only one of its month with requests. */
async function expectDaysAgree(stack: TestStack, users: readonly TestUser[]): Promise<void> {
  for (const user of users)
    for (const day of [LAST_DAY, FIRST_DAY]) {
      const billed = await ledgerOf(stack, user, day);
      const counted = await usedByRedis(stack, user, day);
      expect([day, counted]).toEqual([day, [...billed, 0, 0, ...billed, 0, 0]]);
    }
}

async function settledAfterMidnight({ books }: TestStack): Promise<number> {
  const [row] = await books.database.run(
    "count settled after midnight",
    (sql) => sql<{ count: number }[]>`
      select count(*)
      from token_logs
      where window_day = ${LAST_DAY}
        and created_at >= ${MIDNIGHT_MS}::timestamptz`,
  );
  return row?.count ?? 0;
}

/**
 * Waits until both gateways have stored requests of a user after an instant of the server's clock. Asks them
 * whether they are ready meanwhile, as an orchestrator does: that is when they look at their clocks.
 */
async function untilEachAccepts(
  { books, gateways }: TestStack,
  user: TestUser,
  sinceMs: number,
): Promise<void> {
  await untilTrue("both gateways accept", 10_000, async () => {
    await Promise.all(gateways.map(({ url }) => fetch(`${url}/health/ready`)));
    const rows = await books.database.run(
      "count by gateway",
      (sql) => sql<{ count: number }[]>`
        select count(*)
        from requests
        where user_id = ${user.userId}
          and created_at >= ${sinceMs}::timestamptz
        group by publisher_id
        having count(*) > 50`,
    );
    return rows.length >= 2;
  });
}
