import { after } from "../../adapters/process/timers.ts";
import { costOf, measureCost } from "../growth/cost.ts";
import { callOnce } from "../growth/fill-users.ts";
import { fillBacklog } from "../growth/fill-backlog.ts";
import { redisBytes, untilRedisRests } from "../growth/redis-load.ts";
import { bendsOf, type GrowthRow, growthTable } from "../growth/table.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { cpuSecondsByPart, peakMegabytes } from "../stack/sampler.ts";
import { countCompleted } from "./pipeline.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const SIZES = [0, 100_000, 1_000_000];
const SIZES_QUICK = [0, 10_000, 100_000];
/** At the largest size each of them has 100 requests open. */
const USERS = 10_000;
const RATE = 1_000;
const SECONDS = 10;
const DRAIN_SECONDS = 15;
const PAYLOAD = {
  input: { prompt: "What waits in front of me, and how long will it take until it is my turn?" },
  maxTokens: 64,
  n: 1,
  parameters: {},
};

const seconds = (count: number): Promise<void> =>
  new Promise((resolve) => void after(resolve, count * 1_000));

/** Accepts while no worker runs; all users are known to Redis, so that what it grows by are holds. */
async function acceptAt(session: Session, size: string): Promise<GrowthRow> {
  const files = session.generate(await shortBodies(500));
  const wish = {
    generator: "paced",
    files,
    ratePerSecond: RATE,
    seconds: SECONDS,
    connections: 128,
    expectStatus: 202,
  } as const;
  // The first call of each user loads it, with its holds.
  await callOnce(session, { files, users: USERS });
  await untilRedisRests(session);
  const before = await redisBytes(session);
  const cost = await measureCost(session, { ...wish, name: `${size} waiting, accept` });
  const holdBytes = ((await redisBytes(session)) - before) / (RATE * SECONDS);
  return {
    size,
    cost,
    extra: {
      "Redis, bytes per hold": holdBytes,
      "RabbitMQ, MB": peakMegabytes(session.stack.samples().slice(-SECONDS), "rabbitmq"),
    },
  };
}

/** Messages that nobody has taken yet, of requests and results. */
async function countWaiting({ stack }: Session): Promise<number> {
  const depths = await stack.books.depths();
  return (depths["inference_requests"] ?? 0) + (depths["inference_results"] ?? 0);
}

/** Lets a worker run for a while, or until nothing is left. */
async function drainAt(session: Session, size: string): Promise<GrowthRow> {
  const { stack } = session;
  await stack.startRole("worker");
  const since = stack.samples().at(-1)?.atSeconds ?? 0;
  const before = await countCompleted(session);
  const startedAt = performance.now();
  for (let waited = 0; waited < DRAIN_SECONDS && (await countWaiting(session)) > 0; waited += 1)
    await seconds(1);
  const expected = (await countCompleted(session)) - before;
  const perSecond = expected / ((performance.now() - startedAt) / 1_000);
  const cpu = cpuSecondsByPart(stack.samples(), since);
  await stack.stopRole("worker");
  const latencyMs = { p50: Number.NaN, p99: Number.NaN };
  return { size, cost: costOf({ expected, perSecond, latencyMs }, cpu) };
}

export const growthBacklog: Scenario = {
  name: "growth-backlog",
  about:
    "0 to 1,000,000 requests wait (100,000 with --quick): what it costs to accept one more, and to work them off",
  inQuick: true,
  onlyWith: "growth",
  run: (context) =>
    // The collector is there from the start, and with it the keeper, who looks at what waits.
    withSession(context, { users: USERS, notYet: ["worker"] }, async (session) => {
      const accepts: GrowthRow[] = [];
      const drains: GrowthRow[] = [];
      for (const target of context.isQuick ? SIZES_QUICK : SIZES) {
        const size = target.toLocaleString("en");
        const waiting = (await session.stack.books.depths())["inference_requests"] ?? 0;
        for (const { userId } of session.users) await session.stack.books.quota.forget(userId);
        if (target > waiting)
          await fillBacklog(session, target - waiting, PAYLOAD, (share) =>
            context.progress.say(`    ${size} waiting: ${share}`),
          );
        accepts.push(await acceptAt(session, size));
        drains.push(await drainAt(session, size));
      }
      session.table(growthTable("Accepting, by what waits", "waiting", accepts));
      session.table(growthTable("Working off, by what waits", "waiting", drains));
      session.note("filled past the gateway: rows and confirmed messages by its own functions");
      for (const bend of bendsOf(accepts)) session.note(`accepting: ${bend}`);
      for (const bend of bendsOf(drains)) session.note(`working off: ${bend}`);
    }),
};
