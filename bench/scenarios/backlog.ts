import { untilTrue } from "../../test/stack/eventually.ts";
import type { GenerateBody } from "../../gateway/schemas.ts";
import { shortBodies } from "../prompts/prompts.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const USERS = 1_000;
const BODIES = 500;
const FILL_RATE = 3_000;
const LIMIT_MS = 10 * 60_000;

/** Accepts about so many requests while nobody works on them; answers how many it were. */
export async function fill(
  session: Session,
  count: number,
  bodies?: readonly GenerateBody[],
): Promise<number> {
  const { requests } = session.stack.books.queues;
  const accepted = await session.unmeasured({
    name: "fill",
    generator: "paced",
    files: session.generate(bodies ?? (await shortBodies(BODIES))),
    ratePerSecond: FILL_RATE,
    seconds: Math.ceil(count / FILL_RATE),
    connections: 128,
    expectStatus: 202,
  });
  await untilDepth(session, requests.name, (ready) => ready >= accepted);
  return accepted;
}

async function untilDepth(
  { stack }: Session,
  queue: string,
  fits: (ready: number) => boolean,
): Promise<void> {
  await untilTrue(`depth of ${queue}`, LIMIT_MS, async () => {
    const name = queue.slice(stack.config.amqp.queue_prefix.length);
    return fits((await stack.books.depths())[name] ?? 0);
  });
}

async function untilCompleted({ stack }: Session, count: number): Promise<void> {
  await untilTrue(`${count} requests are completed`, LIMIT_MS, async () => {
    const [row] = await stack.books.database.run(
      "count open",
      (sql) =>
        sql<{ n: number }[]>`select count(*)::int as n from requests where status = 'queued'`,
    );
    return row?.n === 0;
  });
}

/** Seconds that `act` took. */
async function timed(act: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await act();
  return (performance.now() - startedAt) / 1_000;
}

export const drain: Scenario = {
  name: "drain",
  about: "a backlog of 100,000 requests (10,000 with --quick) is worked off, collected and settled",
  inQuick: true,
  run: (context) =>
    withSession(
      context,
      { users: USERS, notYet: ["worker", "collector"], quietWithinMs: LIMIT_MS },
      async (session) => {
        const count = await fill(session, context.isQuick ? 10_000 : 100_000);
        await session.stack.startRole("collector");
        session.stack.restartSamples();
        const seconds = await timed(async () => {
          await session.stack.startRole("worker");
          await untilCompleted(session, count);
        });
        session.figure({
          what: `drained per second, backlog of ${count}`,
          unit: "req/s",
          value: count / seconds,
        });
        session.note(
          `the start of the worker, about a second, is part of the ${seconds.toFixed(1)} s`,
        );
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
        const count = await fill(session, context.isQuick ? 5_000 : 50_000);
        await stack.startRole("worker");
        await untilDepth(session, stack.books.queues.results.name, (ready) => ready >= count);
        await stack.stopRole("worker");
        stack.restartSamples();
        const seconds = await timed(async () => {
          await stack.startRole("collector");
          await untilCompleted(session, count);
        });
        session.figure({
          what: "collected per second, collector alone",
          unit: "req/s",
          value: count / seconds,
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
        let done = 0;
        for (const { ms, requests } of SIMULATORS) {
          await stack.simulator.set({ ttft_ms: ms });
          const count = await fill(session, context.isQuick ? requests / 4 : requests);
          const seconds = await timed(async () => {
            await stack.startRole("worker");
            await untilDepth(session, results.name, (ready) => ready >= done + count);
          });
          done += count;
          await stack.stopRole("worker");
          const perSecond = count / seconds;
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
        session.note("each time includes the start of the worker, about a second");
        await stack.startRole("collector");
      },
    );
  },
};
