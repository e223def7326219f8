import { untilTrue } from "../../test/stack/eventually.ts";
import type { GenerateBody } from "../../gateway/schemas.ts";
import { shortBodies } from "../prompts/prompts.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const USERS = 1_000;
const BODIES = 500;
const FILL_RATE = 3_000;
const LIMIT_MS = 10 * 60_000;
/** As often in a row the books must say the same. */
const READINGS = 10;

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
  await session.unmeasured({
    name: "fill",
    generator: "paced",
    files: session.generate(bodies ?? (await shortBodies(BODIES))),
    ratePerSecond: FILL_RATE,
    seconds: Math.ceil(count / FILL_RATE),
    connections: 128,
    expectStatus: 202,
  });
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

/** Waits until so many results wait to be collected. */
async function untilResults(session: Session, count: number): Promise<void> {
  const { results } = session.stack.books.queues;
  await untilTrue(
    `${count} results wait`,
    LIMIT_MS,
    async () => (await depthOf(session, results.name)) >= count,
  );
}

function untilNoneOpen(session: Session): Promise<void> {
  return untilTrue(
    "every request has ended",
    LIMIT_MS,
    async () => (await countOpen(session)) === 0,
  );
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
          await untilNoneOpen(session);
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
        await untilResults(session, count);
        await stack.stopRole("worker");
        stack.restartSamples();
        const seconds = await timed(async () => {
          await stack.startRole("collector");
          await untilNoneOpen(session);
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
        let done = 0;
        for (const { ms, requests } of SIMULATORS) {
          await stack.simulator.set({ ttft_ms: ms });
          const count = (await fill(session, context.isQuick ? requests / 4 : requests)) - done;
          const seconds = await timed(async () => {
            await stack.startRole("worker");
            await untilResults(session, done + count);
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
