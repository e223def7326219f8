import { fillBacklog } from "../growth/fill-backlog.ts";
import { callOnce, forgetUsers } from "../growth/fill-users.ts";
import { grow, type Measurement } from "../growth/grow.ts";
import { redisBytes, untilRedisRests } from "../growth/redis-load.ts";
import { countCompleted, countOpen } from "../measure/backlog.ts";
import type { Scenario } from "../measure/bench.ts";
import { cpuUsOf, measureCost, watchCpu } from "../measure/cost.ts";
import { onStack, type Session } from "../measure/session.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { peakMegabytes } from "../machine/sampler.ts";

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
const TITLES = {
  accepting: "Accepting, by what waits",
  "working off": "Working off, by what waits",
};

/** Accepts while no worker runs; all users are known to Redis, so that what it grows by are holds. */
async function acceptAt(session: Session, size: string): Promise<Measurement> {
  const files = session.generate(await shortBodies(500));
  // The first call of each user loads it, with its holds.
  await callOnce(session, files, USERS);
  await untilRedisRests(session);
  const before = await redisBytes(session);
  const pace = { ratePerSecond: RATE, seconds: SECONDS, connections: 128 };
  const cost = await measureCost(session, `${size} waiting, accept`, files, pace);
  const extra = {
    "Redis, bytes per hold": ((await redisBytes(session)) - before) / (RATE * SECONDS),
    "RabbitMQ, MB": peakMegabytes(session.sampler.samples().slice(-SECONDS), "rabbitmq"),
  };
  return { cost, extra };
}

/** Lets a worker run for a while, or until nothing is left. */
async function drainAt(session: Session): Promise<Measurement> {
  await session.stack.startRole("worker");
  const cpuSince = watchCpu(session);
  const before = await countCompleted(session);
  const startedAt = performance.now();
  for (let waited = 0; waited < DRAIN_SECONDS && (await countOpen(session)) > 0; waited += 1)
    await Bun.sleep(1_000);
  const completed = (await countCompleted(session)) - before;
  const perSecond = completed / ((performance.now() - startedAt) / 1_000);
  const cpuUs = cpuUsOf(cpuSince(), completed);
  await session.stack.stopRole("worker");
  return { cost: { perSecond, p50Ms: Number.NaN, p99Ms: Number.NaN, cpuUs } };
}

export const growthBacklog: Scenario = {
  name: "growth-backlog",
  about: "0 to 1,000,000 requests wait: what it costs to accept one more, and to work them off",
  part: "growth",
  // The collector is there from the start, and with it the keeper, who looks at what waits.
  run: onStack({ users: USERS, notYet: ["worker"] }, async (session) => {
    const sizes = session.isQuick ? SIZES_QUICK : SIZES;
    await grow(session, "waiting", TITLES, sizes, async ({ to, size, say }) => {
      const missing = to - (await countOpen(session));
      await forgetUsers(session);
      const userIds = session.users.map(({ userId }) => userId);
      if (missing > 0)
        await fillBacklog(session, { payload: PAYLOAD, userIds }, { to: missing, say });
      const accepting = await acceptAt(session, size);
      return { accepting, "working off": await drainAt(session) };
    });
    session.note("filled past the gateway: rows and confirmed messages by its own functions");
  }),
};
