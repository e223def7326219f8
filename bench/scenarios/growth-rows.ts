import { BILLED_EVERY, FILLED_PROMPT_BYTES, fillRows } from "../growth/fill-rows.ts";
import { forgetUsers } from "../growth/fill-users.ts";
import { grow, type Measurement, type Step } from "../growth/grow.ts";
import { getCall } from "../load/calls.ts";
import type { Scenario } from "../measure/bench.ts";
import { measureCost } from "../measure/cost.ts";
import { postgresSize, withFiller } from "../measure/postgres.ts";
import { onStack, type Session } from "../measure/session.ts";
import { statusCalls } from "../measure/stored.ts";
import { shortBodies } from "../prompts/prompts.ts";

const SIZES = [0, 1_000_000, 10_000_000];
const SIZES_QUICK = [0, 100_000, 1_000_000];
const USERS = 2_000;
const RATE = 1_000;
const SECONDS = 10;
const QUIET_MS = 120_000;
const TABLES = ["requests", "token_logs"];
const ACCEPT = { ratePerSecond: RATE, seconds: SECONDS, connections: 128 };
const FIRST = { ...ACCEPT, ratePerSecond: RATE / 4, seconds: (USERS / RATE) * 4 };
const READ = { ratePerSecond: RATE, seconds: 5, connections: 128, status: 200 };
const TITLES = {
  accept: "Requests, everything on",
  first: "First call of each user after a flush",
  status: "GET /status/{id} of any age",
  list: "GET /requests?limit=20",
};

async function growTo(
  session: Session,
  { from, to, size, say }: Step,
): Promise<Record<keyof typeof TITLES, Measurement>> {
  const userIds = session.users.map(({ userId }) => userId);
  if (to > from)
    await withFiller(session, (database) => fillRows(database, userIds, { from, to, say }));
  const filled = await postgresSize(session, TABLES);
  const measure = (what: string, ...rest: [Parameters<typeof measureCost>[2], typeof FIRST]) =>
    measureCost(session, `${size} rows, ${what}`, ...rest);

  const files = session.generate(await shortBodies(500));
  await forgetUsers(session);
  const first = await measure("first call of each user", files, FIRST);
  const before = await postgresSize(session, TABLES);
  const accept = await measure("everything on", files, ACCEPT);
  await session.stack.books.untilQuiet(QUIET_MS);
  const after = await postgresSize(session, TABLES);
  const any = session.calls(await statusCalls(session, "one of each user"));
  const status = await measure("status", any, READ);
  const lists = session.users.map(({ apiKey }) => getCall("/requests?limit=20", apiKey));
  const listPace = { ...READ, ratePerSecond: RATE / 2 };
  const list = await measure("lists of 20", session.calls(lists), listPace);

  const requests = RATE * SECONDS;
  const extra = {
    "both tables and indexes, GB": (filled.heap + filled.indexes) / 1e9,
    "heap, bytes per request": (after.heap - before.heap) / requests,
    "indexes, bytes per request": (after.indexes - before.indexes) / requests,
    "write-ahead log, bytes per request": (after.wal - before.wal) / requests,
  };
  return {
    accept: { cost: accept, extra },
    first: { cost: first },
    status: { cost: status },
    list: { cost: list },
  };
}

export const growthRows: Scenario = {
  name: "growth-rows",
  about:
    "0 to 10,000,000 ended requests in the partition of today: accepting, reading one, listing",
  part: "growth",
  run: onStack({ users: USERS, quietWithinMs: QUIET_MS }, async (session) => {
    const sizes = session.isQuick ? SIZES_QUICK : SIZES;
    await grow(session, "rows", TITLES, sizes, (step) => growTo(session, step));
    const filled = `${FILLED_PROMPT_BYTES} bytes of prompt and no result`;
    session.note(
      `rows that were filled in have ${filled}; one in ${BILLED_EVERY} is in the ledger`,
    );
    session.note('the columns "per request" are of real ones');
  }),
};
