import { fillBacklog } from "../growth/fill-backlog.ts";
import { countCompleted, countOpen } from "../measure/backlog.ts";
import type { Bench, Scenario } from "../measure/bench.ts";
import { cpuUsOf, watchCpu } from "../measure/cost.ts";
import { type CostRow, costTable } from "../measure/cost-table.ts";
import { measureEta } from "../measure/eta.ts";
import { ACCEPT_ONLY, FAST_MODEL_WORKER, type Session, withStack } from "../measure/session.ts";
import { insertUsers, nthUserId } from "../measure/users.ts";

const SIZE = 100_000;
const SIZE_QUICK = 10_000;
const SIZE_GROWTH = 1_000_000;
/** Each rate is measured so long, or until nothing is left. */
const SECONDS = 20;
/** Of the start of the worker and of the first rounds nothing is measured. */
const WARM_SECONDS = 3;
const MANY_USERS = 100_000;
const PAYLOAD = {
  input: { prompt: "What waits in front of me, and how long will it take until it is my turn?" },
  maxTokens: 64,
  n: 1,
  parameters: {},
};

/** Whose requests wait, and where. */
interface Waiting {
  title: string;
  users: number;
  isParked: boolean;
}

const DIRECT: Waiting = { title: "in the queue, 10 users", users: 10, isParked: false };
const PARKED: readonly Waiting[] = [
  { title: "parked, 10 users", users: 10, isParked: true },
  {
    title: `parked, ${MANY_USERS.toLocaleString("en")} users`,
    users: MANY_USERS,
    isParked: true,
  },
];

/** Lets one worker and one collector work off what waits for a while. */
async function workOff(session: Session): Promise<CostRow["cost"]> {
  await session.stack.startRole("collector");
  await session.stack.startRole("worker");
  await Bun.sleep(WARM_SECONDS * 1_000);
  const cpuSince = watchCpu(session);
  const before = await countCompleted(session);
  const startedAt = performance.now();
  for (let waited = 0; waited < SECONDS && (await countOpen(session)) > 0; waited += 1)
    await Bun.sleep(1_000);
  const completed = (await countCompleted(session)) - before;
  const perSecond = completed / ((performance.now() - startedAt) / 1_000);
  const cpuUs = cpuUsOf(cpuSince(), completed);
  return { perSecond, p50Ms: Number.NaN, p99Ms: Number.NaN, cpuUs };
}

/** On a stack of its own: fills it and works that off. */
function measureWaiting(bench: Bench, size: number, waiting: Waiting): Promise<CostRow> {
  const { title, users, isParked } = waiting;
  const options = { users: 0, notYet: ACCEPT_ONLY, settings: FAST_MODEL_WORKER };
  return withStack(bench, options, async (session) => {
    const many = Math.min(users, size);
    await insertUsers(session.stack.books.database, 0, many);
    const userIds = Array.from({ length: many }, (_, n) => nthUserId(n));
    const say = (share: string): void => bench.progress.say(`    ${title}: ${share}`);
    await fillBacklog(session, { payload: PAYLOAD, userIds, isParked }, { to: size, say });
    const cost = await bench.progress.step(`  ${title}`, async () => {
      const measured = await workOff(session);
      return { ...measured, detail: `${Math.round(measured.perSecond)} completed per second` };
    });
    return { name: title, cost };
  });
}

async function measureAll(bench: Bench, size: number): Promise<void> {
  const direct = await measureWaiting(bench, size, DIRECT);
  const rows = [direct];
  for (const waiting of PARKED) {
    const row = await measureWaiting(bench, size, waiting);
    rows.push(row);
    const share = row.cost.perSecond / direct.cost.perSecond;
    bench.figure(`${row.name}: worked off, against what is in the queue`, "×", share);
  }
  const title = `Working off ${size.toLocaleString("en")} requests that wait`;
  bench.table(costTable(title, "where they wait", rows));
  bench.note("filled past the gateway: rows and confirmed messages by its own functions");
}

export const waiting: Scenario = {
  name: "waiting",
  about:
    "100,000 parked requests (10,000 with --quick) of few and of many users; how true the ETA is",
  part: "full",
  run: async (bench) => {
    await measureAll(bench, bench.isQuick ? SIZE_QUICK : SIZE);
    await measureEta(bench, PAYLOAD);
  },
};

export const growthWaiting: Scenario = {
  name: "growth-waiting",
  about: "1,000,000 parked requests (100,000 with --quick): are they worked off at full speed?",
  part: "growth",
  run: (bench) => measureAll(bench, bench.isQuick ? SIZE : SIZE_GROWTH),
};
