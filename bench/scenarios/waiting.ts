import type { StatusReply } from "../../gateway/http/schemas.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { fillBacklog } from "../growth/fill.ts";
import type { Bench, Scenario } from "../measure/bench.ts";
import { type Cost, costTable, measureWorkingOff } from "../measure/cost.ts";
import {
  BACKLOG_LIMIT_MS,
  count,
  storedRequests,
  type StoredRequest,
} from "../measure/requests.ts";
import { ACCEPT_ONLY, FAST_MODEL_WORKER, type Session, withStack } from "../measure/session.ts";
import { insertUsers, nthUserId } from "../measure/users.ts";
import { percentile } from "../../local/percentile.ts";

const SIZE = 100_000;
const SIZE_QUICK = 10_000;
const SIZE_GROWTH = 1_000_000;
/** Each rate is measured so long, or until nothing is left. */
const SECONDS = 20;
/** Of the start of the worker and of the first rounds nothing is measured. */
const WARM_SECONDS = 3;

/** Whose requests wait. Many users cost something wherever they wait: each has a quota to settle. */
const USERS = [10, 100_000];

/**
 * Calls that take no time show what a request costs. Of calls of a tenth of a second a worker does some 300 a
 * second: they show whether a model that is slower than this machine always has work.
 */
const SERVICES_MS = [0, 100];

interface Waiting {
  users: number;
  isParked: boolean;
  serviceMs: number;
}

/** On a stack of its own: fills it, and lets one worker and one collector work that off for a while. */
function measureOne(
  bench: Bench,
  size: number,
  { users, isParked, serviceMs }: Waiting,
): Promise<Cost> {
  const name = `${isParked ? "parked" : "in the queue"}, ${users.toLocaleString("en")} users`;
  const options = { users: 0, notYet: ACCEPT_ONLY, settings: FAST_MODEL_WORKER };
  return withStack(bench, options, async (session) => {
    const { stack, progress } = session;
    const many = Math.min(users, size);
    await insertUsers(stack.books.database, 0, many);
    const userIds = Array.from({ length: many }, (_, n) => nthUserId(n));
    const say = (share: string): void => progress.say(`    ${name}: ${share}`);
    await fillBacklog(session, { userIds, isParked }, { to: size, say });
    return progress.step(`  ${name}`, async () => {
      await stack.simulator.set({ ttft_ms: serviceMs });
      await stack.startRole("collector");
      await stack.startRole("worker");
      await Bun.sleep(WARM_SECONDS * 1_000);
      const cost = await measureWorkingOff(session, name, SECONDS);
      return { ...cost, detail: `${Math.round(cost.perSecond)} completed per second` };
    });
  });
}

async function measureAll(bench: Bench, size: number): Promise<void> {
  for (const serviceMs of SERVICES_MS) {
    const rows: Cost[] = [];
    for (const users of USERS) {
      const inQueue = await measureOne(bench, size, { users, isParked: false, serviceMs });
      const parked = await measureOne(bench, size, { users, isParked: true, serviceMs });
      rows.push(inQueue, parked);
      const share = parked.perSecond / inQueue.perSecond;
      const what = `${parked.name}, calls of ${serviceMs} ms: worked off, against what is in the queue`;
      bench.figure(what, "×", share);
    }
    const title = `Working off ${size.toLocaleString("en")} requests that wait, calls of ${serviceMs} ms`;
    bench.table(costTable(title, "where they wait", rows));
  }
  bench.note("what is in the queue was published before its CPU was counted");
  bench.note("filled past the gateway: rows and confirmed messages by its own functions");
}

const ETA_USERS = 20;
const ETA_REQUESTS = 10_000;
/** With 32 calls at once about 300 a second: the last request starts after half a minute. */
const ETA_SERVICE_MS = 100;
/** The rate is an average, which takes some seconds. */
const SETTLED = 0.15;
/** Of what starts sooner the error says little. */
const WAIT_MIN_SECONDS = 3;

/** Compares `waiting.starts_in_seconds` of a backlog of several users with when the requests started. */
async function measureEta(session: Session): Promise<void> {
  const { stack, users } = session;
  await stack.simulator.set({ ttft_ms: ETA_SERVICE_MS });
  const userIds = users.map(({ userId }) => userId);
  await fillBacklog(session, { userIds, isParked: true }, { to: ETA_REQUESTS, say: () => {} });
  await stack.startRole("collector");
  await stack.startRole("worker");
  await untilTrue("the rate is measured", BACKLOG_LIMIT_MS, async () => {
    return (await count(session, "completed")) > SETTLED * ETA_REQUESTS;
  });
  const requests = await storedRequests(session, "a hundred parked");
  const read = (one: StoredRequest) => session.ask<StatusReply>(one, `/status/${one.requestId}`);
  const told = await Promise.all(
    requests.map(async (request) => {
      const { waiting } = await read(request);
      return { request, seconds: waiting?.starts_in_seconds ?? null, atMs: Date.now() };
    }),
  );
  await untilTrue("all have ended", BACKLOG_LIMIT_MS, async () => {
    return (await count(session, "open")) === 0;
  });
  const errors: number[] = [];
  for (const { request, seconds, atMs } of told) {
    const startedAtMs = Date.parse((await read(request)).started_at ?? "");
    const waited = (startedAtMs - atMs) / 1_000;
    if (seconds !== null && waited >= WAIT_MIN_SECONDS)
      errors.push(Math.abs(seconds - waited) / waited);
  }
  const untold = told.filter(({ seconds }) => seconds === null).length;
  if (untold > 0) session.note(`${untold} of ${told.length} were not told when they start`);
  if (errors.length === 0) return session.fail("nobody was told when a request starts");
  const sorted = errors.toSorted((a, b) => a - b);
  for (const [name, share] of Object.entries({ p50: 0.5, p90: 0.9 })) {
    const what = `error of the ETA that /status tells, of the wait, ${name}`;
    session.figure(what, "%", 100 * percentile(sorted, share));
  }
}

export const waiting: Scenario = {
  name: "waiting",
  about:
    "100,000 parked requests (10,000 with --quick) of few and of many users; how true the ETA is",
  part: "full",
  run: async (bench) => {
    await measureAll(bench, bench.isQuick ? SIZE_QUICK : SIZE);
    const options = { users: ETA_USERS, notYet: ACCEPT_ONLY, quietWithinMs: BACKLOG_LIMIT_MS };
    await withStack(bench, options, measureEta);
  },
};

export const growthWaiting: Scenario = {
  name: "growth-waiting",
  about: "1,000,000 parked requests (100,000 with --quick): are they worked off at full speed?",
  part: "growth",
  run: (bench) => measureAll(bench, bench.isQuick ? SIZE : SIZE_GROWTH),
};
