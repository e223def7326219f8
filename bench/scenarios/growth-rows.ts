import { type Cost, measureCost } from "../growth/cost.ts";
import { BILLED_EVERY, FILLED_PROMPT_BYTES, fillRows } from "../growth/fill-rows.ts";
import { postgresSize, withFiller } from "../growth/servers.ts";
import { bendsOf, type GrowthRow, growthTable } from "../growth/table.ts";
import { type Call, statusCalls } from "../load/calls.ts";
import { shortBodies } from "../prompts/prompts.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const SIZES = [0, 1_000_000, 10_000_000];
const SIZES_QUICK = [0, 100_000, 1_000_000];
const USERS = 2_000;
const RATE = 1_000;
const SECONDS = 10;
const READ_SECONDS = 5;
const QUIET_MS = 120_000;
const TABLES = ["requests", "token_logs"];

async function forgetUsers({ stack, users }: Session): Promise<void> {
  for (const { userId } of users) await stack.books.quota.forget(userId);
}

/** Requests of all ages, one of each of so many users. */
async function statusCallsOfAny(session: Session): Promise<Call[]> {
  const keys = new Map(session.users.map(({ userId, apiKey }) => [userId, apiKey]));
  const rows = await session.stack.books.database.run(
    "pick requests",
    (sql) => sql<{ request_id: string; user_id: string }[]>`
      select distinct on (user_id) request_id, user_id
      from requests tablesample system (1)
      order by user_id`,
  );
  return statusCalls(
    rows.map(({ request_id: requestId, user_id: userId }) => ({
      requestId,
      apiKey: keys.get(userId) ?? "",
    })),
  );
}

const listCalls = (users: Session["users"]): Call[] =>
  users.map(({ apiKey }) => ({
    method: "GET",
    path: "/requests?limit=20",
    headers: { authorization: `Bearer ${apiKey}` },
    body: null,
  }));

interface Costs {
  first: Cost;
  accept: Cost;
  status: Cost;
  list: Cost;
  heapBytes: number;
  indexBytes: number;
  logBytes: number;
}

async function measureAt(session: Session, size: string): Promise<Costs> {
  const files = session.generate(await shortBodies(500));
  const wish = { generator: "paced", connections: 128 } as const;
  const accept = { ...wish, files, ratePerSecond: RATE, expectStatus: 202 };
  await forgetUsers(session);
  const first = await measureCost(session, {
    ...accept,
    name: `${size} rows, first call of each user`,
    ratePerSecond: RATE / 4,
    seconds: (USERS / RATE) * 4,
  });
  const before = await postgresSize(session, TABLES);
  const steady = await measureCost(session, {
    ...accept,
    name: `${size} rows, everything on`,
    seconds: SECONDS,
  });
  await session.stack.books.untilQuiet(QUIET_MS);
  const after = await postgresSize(session, TABLES);
  const read = { ...wish, ratePerSecond: RATE, seconds: READ_SECONDS, expectStatus: 200 };
  const status = await measureCost(session, {
    ...read,
    name: `${size} rows, status`,
    files: session.calls(await statusCallsOfAny(session)),
  });
  const list = await measureCost(session, {
    ...read,
    name: `${size} rows, lists of 20`,
    files: session.calls(listCalls(session.users)),
    ratePerSecond: RATE / 2,
  });
  const requests = RATE * SECONDS;
  return {
    first,
    accept: steady,
    status,
    list,
    heapBytes: (after.heap - before.heap) / requests,
    indexBytes: (after.indexes - before.indexes) / requests,
    logBytes: (after.wal - before.wal) / requests,
  };
}

export const growthRows: Scenario = {
  name: "growth-rows",
  about:
    "0 to 10,000,000 ended requests (1,000,000 with --quick) in the partition of today, everything on at 1,000/s; reading single requests and lists",
  inQuick: true,
  onlyWith: "growth",
  run: (context) =>
    withSession(context, { users: USERS, quietWithinMs: QUIET_MS }, async (session) => {
      const userIds = session.users.map(({ userId }) => userId);
      const rows: Record<"first" | "accept" | "status" | "list", GrowthRow[]> = {
        first: [],
        accept: [],
        status: [],
        list: [],
      };
      let from = 0;
      for (const to of context.isQuick ? SIZES_QUICK : SIZES) {
        const size = to.toLocaleString("en");
        const say = (text: string): void => context.progress.say(`    ${size} rows: ${text}`);
        if (to > from)
          await withFiller(session, (database) => fillRows(database, userIds, { from, to }, say));
        const { heap, indexes } = await postgresSize(session, TABLES);
        const costs = await measureAt(session, size);
        rows.first.push({ size, cost: costs.first });
        rows.accept.push({
          size,
          cost: costs.accept,
          extra: {
            "both tables and indexes, GB": (heap + indexes) / 1e9,
            "heap, bytes per request": costs.heapBytes,
            "indexes, bytes per request": costs.indexBytes,
            "write-ahead log, bytes per request": costs.logBytes,
          },
        });
        rows.status.push({ size, cost: costs.status });
        rows.list.push({ size, cost: costs.list });
        from = to;
      }
      session.table(growthTable("Requests, everything on", "rows before", rows.accept));
      session.table(growthTable("First call of each user after a flush", "rows", rows.first));
      session.table(growthTable("GET /status/{id} of any age", "rows", rows.status));
      session.table(growthTable("GET /requests?limit=20", "rows", rows.list));
      session.note(
        `rows that were filled in have ${FILLED_PROMPT_BYTES} bytes of prompt and no result, and one in ${BILLED_EVERY} is in the ledger; those of the columns "per request" are real ones`,
      );
      for (const [what, list] of Object.entries(rows))
        for (const bend of bendsOf(list)) session.note(`${what}: ${bend}`);
    }),
};
