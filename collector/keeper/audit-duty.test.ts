import { expect, test } from "bun:test";

import type { LedgerBooks, QuotaBooks } from "../../core/audit/books.ts";
import { pause } from "../../runtime/schedule.ts";
import { createWorld } from "../../test/support/collector-world.ts";
import { createAuditDuty } from "./audit-duty.ts";

const DAY = "2026-11-21";
const { signal } = new AbortController();
const NOTHING = { requests: 0, tokens: 0 };
const LEDGER: LedgerBooks = {
  days: [{ day: DAY, requests: 1, tokens: 30, failedExecutions: 0 }],
  holds: [],
};

function setUp(usedTokens: number, { pages = 1, pageMs = 0 } = {}) {
  const world = createWorld();
  const window = { used: { requests: 1, tokens: usedTokens }, held: NOTHING };
  const books: QuotaBooks = {
    day: DAY,
    windows: { daily: window, monthly: window },
    failedExecutions: { daily: 0, monthly: 0 },
    holds: [],
  };
  const rebuilt: string[] = [];
  let readings = 0;
  const refuse = () => Promise.reject(new Error("reads a whole table"));
  const duty = createAuditDuty(
    {
      ...world.ports,
      userIds: async (after) => {
        const page = after === null ? 1 : Number(after) + 1;
        return { items: ["u"], next: page < pages ? String(page) : null };
      },
      readBooks: async () => {
        readings += 1;
        if (pageMs > 0) await pause(world.clock.schedule, pageMs, signal);
        return [books];
      },
      readLedger: async () => [LEDGER],
      countRequests: refuse,
      ledgerAnomalies: refuse,
      sumAnomalies: refuse,
      standings: refuse,
      browseQueues: refuse,
      rebuildUser: async (userId) => void rebuilt.push(userId),
    },
    { everyMs: 60_000 },
  );
  const run = async (): Promise<void> => {
    const round = duty.run(signal);
    // Two pauses of half a second before a difference is believed.
    await world.clock.advance(1_000);
    await round;
  };
  return { world, duty, run, rebuilt, readings: () => readings };
}

test("the background audit shows the drift and changes nothing", async () => {
  const { world, run, rebuilt } = setUp(25);

  await run();

  expect(world.metric("quota_drift_tokens")).toBe(5);
  expect(world.logged).toContain("the books do not agree");
  expect(rebuilt).toEqual([]);
});

test("the background audit of books that agree says nothing", async () => {
  const { world, run } = setUp(30);

  await run();

  expect(world.metric("quota_drift_tokens")).toBe(0);
  expect(world.logged).toEqual([]);
});

test("an audit rests after each page of users nine times as long as the page took", async () => {
  const { world, duty, readings } = setUp(30, { pages: 2, pageMs: 100 });

  const round = duty.run(signal);
  await world.clock.advance(100 + 899);
  expect(readings()).toBe(1);
  await world.clock.advance(1 + 100);
  await round;

  expect(readings()).toBe(2);
});

test("an audit that took a second rests for nine", async () => {
  const { world, run, readings } = setUp(25);
  await run();
  expect(readings()).toBe(3);

  await run();
  expect(readings()).toBe(3);
  await world.clock.advance(9_000);
  await run();

  expect(readings()).toBe(6);
});
