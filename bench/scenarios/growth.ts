import {
  BILLED_EVERY,
  FILLED_PROMPT_BYTES,
  fillBacklog,
  fillRows,
  fillUsers,
} from "../growth/fill.ts";
import { grow, type Step } from "../growth/grow.ts";
import {
  forgetUsers,
  loadUsers,
  postgresSize,
  redisBytes,
  untilRedisRests,
} from "../growth/servers.ts";
import { type CallFiles, getCall } from "../load/calls.ts";
import { peakMegabytes } from "../machine/sampler.ts";
import type { Scenario } from "../measure/bench.ts";
import { type Cost, measureCost, measureWorkingOff } from "../measure/cost.ts";
import { count, statusCalls } from "../measure/requests.ts";
import { onStack, type Session, withStack } from "../measure/session.ts";
import { insertKeys, nthUser } from "../measure/users.ts";
import { requirePepper } from "../../core/config/pepper.ts";

const RATE = 1_000;
const SECONDS = 10;
const PACE = { ratePerSecond: RATE, seconds: SECONDS, connections: 128 };
const QUIET_MS = 120_000;
/** First calls cost a gateway and its servers several times as much as later ones: fewer of them keep up. */
const FIRST_CALLS_PER_SECOND = 200;

/** Lets each of so many users call once, so that what is measured afterwards is no first call. */
async function callOnce(session: Session, files: CallFiles, users: number): Promise<void> {
  const seconds = Math.ceil(users / FIRST_CALLS_PER_SECOND);
  const pace = { ratePerSecond: FIRST_CALLS_PER_SECOND, seconds, connections: 64 };
  const name = `each of ${users.toLocaleString("en")} users calls once`;
  const { expected: answered } = await session.load(name, files, pace);
  if (answered < users)
    session.note(`only ${answered} of ${users} users were known when it was measured`);
}

const USERS = [10, 1_000, 100_000, 1_000_000];
const USERS_QUICK = [10, 1_000, 100_000];
const USERS_TITLES = {
  "first calls": "First calls of users, by how many there are",
  "later calls": "Calls of users who called before, by how many there are",
};

/** Users come to be, most of them known to Redis too; then users call who were never seen, and call again. */
async function growUsers(session: Session, { from, to, size, say }: Step) {
  const { database } = session.stack.books;
  const many = Math.min(to, RATE * SECONDS);
  // Evenly spread over all.
  const callers = Array.from({ length: many }, (_, i) => nthUser(Math.floor((i * to) / many)));
  await fillUsers(session, { from, to, say: (share) => say(`in PostgreSQL: ${share}`) });
  await insertKeys(database, requirePepper(session.stack.config), callers);
  const files = await session.generate("short", callers);
  const first = await measureCost(session, `${size} users, first call of each`, files, PACE);

  // Where first calls did not keep up with the rate, some are still unknown.
  await callOnce(session, files, many);

  const before = await redisBytes(session);
  const loaded = await loadUsers(session, { from, to, say: (share) => say(`in Redis: ${share}`) });
  const bytesPerUser = ((await redisBytes(session)) - before) / loaded;
  const wanted = to - from - many;
  if (loaded < wanted / 2)
    session.note(`of ${wanted} users who had not called Redis came to know ${loaded}`);
  const { heap, indexes } = await postgresSize(session, ["users", "quotas", "api_keys"]);
  await untilRedisRests(session);
  const again = await measureCost(session, `${size} users, again`, files, PACE);
  const extra = {
    "PostgreSQL, bytes per user": (heap + indexes) / to,
    ...(loaded > 0 ? { "Redis, bytes per user": bytesPerUser } : {}),
  };
  return { "first calls": first, "later calls": { ...again, extra } };
}

export const growthUsers: Scenario = {
  name: "growth-users",
  about: "10 to 1,000,000 users, everything on at 1,000/s: their first calls, then the same again",
  part: "growth",
  run: onStack({ users: 0, quietWithinMs: QUIET_MS }, (session) =>
    grow(session, "users", USERS_TITLES, session.isQuick ? USERS_QUICK : USERS, (step) =>
      growUsers(session, step),
    ),
  ),
};

const ROWS = [0, 1_000_000, 10_000_000];
const ROWS_QUICK = [0, 100_000, 1_000_000];
const ROWS_USERS = 2_000;
const ROWS_TITLES = {
  accept: "Requests, everything on",
  first: "First call of each user after a flush",
  status: "GET /status/{id} of any age",
  list: "GET /requests?limit=20",
};
const FIRST = { ...PACE, ratePerSecond: RATE / 4, seconds: (ROWS_USERS / RATE) * 4 };
const READ = { ...PACE, seconds: 5, status: 200 };

async function growRows(session: Session, { size, ...filling }: Step) {
  if (filling.to > filling.from) await fillRows(session, filling);
  const measureSize = () => postgresSize(session, ["requests", "token_logs"]);
  const filled = await measureSize();
  const measure = (what: string, to: CallFiles, pace: typeof PACE) =>
    measureCost(session, `${size} rows, ${what}`, to, pace);

  const files = await session.generate("short");
  await forgetUsers(session);
  const first = await measure("first call of each user", files, FIRST);
  const before = await measureSize();
  const accept = await measure("everything on", files, PACE);
  await session.stack.books.untilQuiet(QUIET_MS);
  const after = await measureSize();
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
  return { accept: { ...accept, extra }, first, status, list };
}

export const growthRows: Scenario = {
  name: "growth-rows",
  about:
    "0 to 10,000,000 ended requests in the partition of today: accepting, reading one, listing",
  part: "growth",
  run: onStack({ users: ROWS_USERS, quietWithinMs: QUIET_MS }, async (session) => {
    const sizes = session.isQuick ? ROWS_QUICK : ROWS;
    await grow(session, "rows", ROWS_TITLES, sizes, (step) => growRows(session, step));
    const filled = `rows that were filled in have ${FILLED_PROMPT_BYTES} bytes of prompt, no result`;
    session.note(`${filled}; one in ${BILLED_EVERY} is in the ledger`);
    session.note('the columns "per request" are of real ones');
  }),
};

const BACKLOGS = [0, 100_000, 1_000_000];
const BACKLOGS_QUICK = [0, 10_000, 100_000];
/** At the largest size each of them has 100 requests open. */
const BACKLOG_USERS = 10_000;
const WORK_OFF_SECONDS = 15;
const BACKLOG_TITLES = {
  accepting: "Accepting, by what waits",
  "working off": "Working off, by what waits",
};

/** Accepts while no worker runs; all users are known to Redis, so that what it grows by are holds. */
async function acceptAt(session: Session, size: string): Promise<Cost> {
  const files = await session.generate("short");
  // The first call of each user loads it, with its holds.
  await callOnce(session, files, BACKLOG_USERS);
  await untilRedisRests(session);
  const before = await redisBytes(session);
  const cost = await measureCost(session, `${size} waiting, accept`, files, PACE);
  const extra = {
    "Redis, bytes per hold": ((await redisBytes(session)) - before) / (RATE * SECONDS),
    "RabbitMQ, MB": peakMegabytes(session.sampler.samples().slice(-SECONDS), "rabbitmq"),
  };
  return { ...cost, extra };
}

async function growBacklog(session: Session, { to, size, say }: Step) {
  const missing = to - (await count(session, "open"));
  await forgetUsers(session);
  const userIds = session.users.map(({ userId }) => userId);
  if (missing > 0) await fillBacklog(session, { userIds }, { to: missing, say });
  const accepting = await acceptAt(session, size);
  await session.stack.startRole("worker");
  const workingOff = await measureWorkingOff(session, `${size} waiting`, WORK_OFF_SECONDS);
  await session.stack.stopRole("worker");
  return { accepting, "working off": workingOff };
}

export const growthBacklog: Scenario = {
  name: "growth-backlog",
  about: "0 to 1,000,000 requests wait: what it costs to accept one more, and to work them off",
  part: "growth",
  // The collector is there from the start, and with it the keeper, who looks at what waits.
  run: onStack({ users: BACKLOG_USERS, notYet: ["worker"] }, async (session) => {
    const sizes = session.isQuick ? BACKLOGS_QUICK : BACKLOGS;
    await grow(session, "waiting", BACKLOG_TITLES, sizes, (step) => growBacklog(session, step));
    session.note("filled past the gateway: rows and confirmed messages by its own functions");
  }),
};

/** What a request costs at a fixed rate, and how many are accepted at most. */
async function measureProcesses(session: Session, size: string): Promise<Cost> {
  const files = await session.generate("short");
  await session.warmUp(files);
  const seconds = session.isQuick ? 6 : 15;
  const pace = { ...PACE, seconds };
  const cost = await measureCost(session, `${size} of each, everything on`, files, pace);
  const samples = session.sampler.samples();
  const closed = { seconds, connections: 256 };
  const most = await session.load(`${size} of each, 256 connections`, files, closed);
  const extra = {
    "accepted per second, most": most.perSecond,
    "gateways, MB": peakMegabytes(samples, "gateway"),
    "workers, MB": peakMegabytes(samples, "worker"),
  };
  return { ...cost, extra };
}

export const growthProcesses: Scenario = {
  name: "growth-processes",
  about: "1, 2 and 4 gateways, workers and collectors: what a request costs, how many are accepted",
  part: "growth",
  needs: ["wrk"],
  run: async (bench) => {
    const titles = { cost: "By processes of each kind" };
    await grow(bench, "of each", titles, [1, 2, 4], async ({ to, size }) => {
      const fail = (text: string): void => bench.fail(`${size} of each: ${text}`);
      const processes = { gateways: to, workers: to, collectors: to };
      const options = { users: 2_000, ...processes, quietWithinMs: QUIET_MS };
      const measure = (session: Session) => measureProcesses(session, size);
      return { cost: await withStack({ ...bench, fail }, options, measure) };
    });
    bench.note("the charts are those of the last number of processes");
  },
};
