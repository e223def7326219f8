import { after } from "../../adapters/process/timers.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { GenerateBody } from "../../core/request/generate-body.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { FAST_MODEL_WORKER } from "./pipeline.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const USERS = 1_000;
const BODIES = 500;
const FILL_RATE = 3_000;
/** A slow machine drops part of what is offered. */
const FILLS_MAX = 20;
const LIMIT_MS = 10 * 60_000;
/** As often in a row the books must say the same. */
const READINGS = 10;
const POLL_PAUSE_MS = 200;
/** With less left of a backlog when the worker or collector is ready, its start counts as well. */
const LEFT_SHARE_MIN = 0.25;

/** Requests without a terminal state. */
async function countOpen({ stack }: Session): Promise<number> {
  const [row] = await stack.books.database.run(
    "count open",
    (sql) => sql<{ n: number }[]>`select count(*)::int as n from requests where status = 'queued'`,
  );
  return row?.n ?? 0;
}

/** Accepts about so many requests while nobody works on them; answers how many are open now. */
export async function fill(
  session: Session,
  count: number,
  bodies?: readonly GenerateBody[],
): Promise<number> {
  const { requests, results } = session.stack.books.queues;
  const files = session.generate(bodies ?? (await shortBodies(BODIES)));
  const wanted = (await countOpen(session)) + count;
  for (let tries = 0; tries < FILLS_MAX && (await countOpen(session)) < wanted; tries += 1) {
    await session.unmeasured({
      name: "fill",
      generator: "paced",
      files,
      ratePerSecond: FILL_RATE,
      seconds: Math.ceil((wanted - (await countOpen(session))) / FILL_RATE),
      connections: 128,
      expectStatus: 202,
    });
  }
  // Not the number of answers: a slow machine may accept the last ones after the generator has gone.
  let open = -1;
  let unchanged = 0;
  await untilTrue("what was accepted is in its queue", LIMIT_MS, async () => {
    const before = open;
    open = await countOpen(session);
    const waiting =
      (await depthOf(session, requests.name)) + (await depthOf(session, results.name));
    unchanged = open === waiting && open === before ? unchanged + 1 : 0;
    return unchanged >= READINGS;
  });
  return open;
}

async function depthOf({ stack }: Session, queue: string): Promise<number> {
  const name = queue.slice(stack.config.amqp.queue_prefix.length);
  return (await stack.books.depths())[name] ?? 0;
}

/** Counting 100,000 rows takes PostgreSQL some milliseconds, which must not become part of what is measured. */
const pausePolling = (): Promise<void> =>
  new Promise((resolve) => void after(resolve, POLL_PAUSE_MS));

/** `count` falls to 0 by what `act` starts. Answers how much per second, from when that was ready, if there was enough left then. */
async function measureFall(
  count: () => Promise<number>,
  act: () => Promise<void>,
): Promise<{ perSecond: number; seconds: number }> {
  const whole = await count();
  const startedAt = performance.now();
  await act();
  const left = await count();
  const readyAt = performance.now();
  await untilTrue("the backlog is worked off", LIMIT_MS, async () => {
    if ((await count()) <= 0) return true;
    await pausePolling();
    return false;
  });
  const endedAt = performance.now();
  const [amount, from] = left > whole * LEFT_SHARE_MIN ? [left, readyAt] : [whole, startedAt];
  const seconds = (endedAt - from) / 1_000;
  return { perSecond: amount / seconds, seconds };
}

export const drain: Scenario = {
  name: "drain",
  about: "a backlog of 100,000 requests (10,000 with --quick) is worked off, collected and settled",
  inQuick: true,
  run: (context) =>
    withSession(
      context,
      {
        users: USERS,
        notYet: ["worker", "collector"],
        settings: FAST_MODEL_WORKER,
        quietWithinMs: LIMIT_MS,
      },
      async (session) => {
        const count = await fill(session, context.isQuick ? 10_000 : 100_000);
        await session.stack.startRole("collector");
        session.stack.restartSamples();
        const { perSecond, seconds } = await measureFall(
          () => countOpen(session),
          () => session.stack.startRole("worker"),
        );
        session.figure({
          what: `drained per second, backlog of ${count}`,
          unit: "req/s",
          value: perSecond,
        });
        session.note(`measured over ${seconds.toFixed(1)} s`);
      },
    ),
};

export const collectorAlone: Scenario = {
  name: "collector",
  about: "50,000 results wait; only the collector runs",
  inQuick: false,
  run: (context) =>
    withSession(
      context,
      { users: USERS, notYet: ["worker", "collector"], quietWithinMs: LIMIT_MS },
      async (session) => {
        const { stack } = session;
        await fill(session, context.isQuick ? 5_000 : 50_000);
        const { requests } = stack.books.queues;
        await measureFall(
          () => depthOf(session, requests.name),
          () => stack.startRole("worker"),
        );
        // Finishes what it holds.
        await stack.stopRole("worker");
        stack.restartSamples();
        const { perSecond } = await measureFall(
          () => countOpen(session),
          () => stack.startRole("collector"),
        );
        session.figure({
          what: "collected per second, collector alone",
          unit: "req/s",
          value: perSecond,
        });
      },
    ),
};

/** Milliseconds that the simulator takes, and requests enough for about ten seconds. */
const SIMULATORS = [
  { ms: 0, requests: 20_000 },
  { ms: 50, requests: 12_000 },
  { ms: 500, requests: 1_200 },
] as const;
const ACTORS = 64;

export const workerPool: Scenario = {
  name: "workers",
  about: `one worker of ${ACTORS} actors against models that take 0, 50 and 500 ms; results are not collected meanwhile`,
  inQuick: false,
  run: async (context) => {
    const settings = {
      models: { "sim-chat": { concurrency_max: ACTORS, concurrency_min: ACTORS } },
    };
    return withSession(
      context,
      {
        users: USERS,
        workers: 1,
        notYet: ["worker", "collector"],
        settings,
        quietWithinMs: LIMIT_MS,
      },
      async (session) => {
        const { stack } = session;
        const { results } = stack.books.queues;
        for (const { ms, requests } of SIMULATORS) {
          await stack.simulator.set({ ttft_ms: ms });
          const open = await fill(session, context.isQuick ? requests / 4 : requests);
          const { perSecond } = await measureFall(
            async () => open - (await depthOf(session, results.name)),
            () => stack.startRole("worker"),
          );
          await stack.stopRole("worker");
          session.figure({
            what: `executed per second, model takes ${ms} ms`,
            unit: "req/s",
            value: perSecond,
          });
          if (ms > 0) {
            const ideal = (ACTORS / ms) * 1_000;
            session.figure({
              what: `of what ${ACTORS} actors could do at most, model takes ${ms} ms`,
              unit: "%",
              value: (perSecond / ideal) * 100,
            });
          }
        }
        await stack.startRole("collector");
      },
    );
  },
};
