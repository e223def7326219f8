import { after } from "../../adapters/process/timers.ts";
import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import { createSealer } from "../../adapters/crypto/envelope.ts";
import { createSignals } from "../../adapters/redis/signals.ts";
import { encodeJson } from "../../core/payload.ts";
import { untilTrue } from "../../test/stack/eventually.ts";
import { statusCalls } from "../load/calls.ts";
import { type HttpConnection, openHttpConnection } from "../load/paced/http-connection.ts";
import { percentilesOf } from "../statistics.ts";
import { fill } from "./backlog.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";
import { storedRequests } from "./status.ts";

const USERS = 1_000;
const WAITING = 10_000;
const WAIT_SECONDS = 50;
/** As many as the collector ends in one transaction, and about as often as it does at 2,500/s. */
const BATCH = 500;
const BATCH_PERIOD_MS = 200;
const CONNECTS_AT_ONCE = 200;
const LIMIT_MS = 40_000;

/** Opens one long-poll for each request, each on a connection of its own. */
async function openWaits(
  session: Session,
  onAnswer: (requestId: string, status: number) => void,
): Promise<HttpConnection[]> {
  const { hostname, port } = new URL(session.stack.url);
  const requests = (await storedRequests(session)).slice(0, WAITING);
  const connections: HttpConnection[] = [];
  for (let from = 0; from < requests.length; from += CONNECTS_AT_ONCE) {
    const part = requests.slice(from, from + CONNECTS_AT_ONCE);
    const calls = statusCalls(part, `?wait=${WAIT_SECONDS}`);
    connections.push(
      ...(await Promise.all(
        part.map(async ({ requestId }, index) => {
          const connection = await openHttpConnection(hostname, Number(port));
          const call = calls[index];
          const head = `GET ${call?.path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: ${call?.headers["authorization"]}\r\n\r\n`;
          connection.send(Buffer.from(head), (code) => onAnswer(requestId, code));
          return connection;
        }),
      )),
    );
  }
  return connections;
}

const metricOf = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? 0);

async function waitersOf({ stack }: Session): Promise<number> {
  const counts = await Promise.all(
    stack.gateways.map(async ({ metricsUrl }) =>
      metricOf(await (await fetch(metricsUrl)).text(), "gateway_waiters"),
    ),
  );
  return counts.reduce((sum, one) => sum + one, 0);
}

/** Ends requests as the collector does (commit, settle, announce); answers when the commit was known. */
async function endRequests(
  { stack }: Session,
  announce: (requestIds: readonly string[]) => Promise<void>,
  batch: readonly { requestId: string; userId: string }[],
): Promise<number> {
  const { database, quota } = stack.books;
  const sealer = createSealer(stack.config.secrets.encryption_keys);
  const content = encodeJson({ choices: [{ index: 0, text: "done", finish_reason: "stop" }] });
  await finishRequests(
    database,
    batch.map(({ requestId, userId }) => ({
      requestId,
      state: "completed",
      attempts: 1,
      startedAtMs: Date.now(),
      completedAtMs: Date.now(),
      usage: { source: "reported", promptTokens: 20, completionTokens: 5 },
      error: null,
      result: sealer.seal(content, { requestId, userId }, "result"),
    })),
  );
  const committedAt = performance.now();
  await quota.settle(
    batch.map(({ requestId, userId }) => ({
      requestId,
      userId,
      billedTokens: 25,
      expectHold: true,
    })),
  );
  await announce(batch.map(({ requestId }) => requestId));
  return committedAt;
}

export const longPoll: Scenario = {
  name: "long-poll",
  about: `${WAITING.toLocaleString("en")} callers wait for the end of their requests; from the commit to the answer in the caller's hands`,
  inQuick: true,
  run: (context) =>
    withSession(
      context,
      {
        users: USERS,
        notYet: ["worker", "collector"],
        settings: { gateway: { waiters_max: 50_000 } },
      },
      async (session) => {
        await fill(session, WAITING);
        session.stack.restartSamples();
        const answeredAt = new Map<string, number>();
        let lost = 0;
        const connections = await openWaits(session, (requestId, code) => {
          if (code === 200) answeredAt.set(requestId, performance.now());
          else lost += 1;
        });
        await untilTrue(
          "all wait",
          LIMIT_MS,
          async () => (await waitersOf(session)) >= connections.length - lost,
        );
        const waiting = await waitersOf(session);
        session.figure({
          target: "long_polls_waiting",
          what: `callers waiting at once on ${session.stack.gateways.length} gateway(s)`,
          unit: "waits",
          value: waiting / session.stack.gateways.length,
        });
        const latencies = await wakeAll(session, answeredAt, connections.length - lost);
        const { p50, p99, max } = percentilesOf(Float64Array.from(latencies));
        session.figure({ what: "wake-up after the commit, p50", unit: "ms", value: p50 });
        session.figure({
          target: "wake_up_p99_ms",
          what: "wake-up after the commit, p99",
          unit: "ms",
          value: p99,
        });
        session.figure({ what: "wake-up after the commit, longest", unit: "ms", value: max });
        if (lost > 0) session.fail(`${lost} of ${connections.length} waits were lost`);
        for (const connection of connections) connection.close();
      },
    ),
};

async function wakeAll(
  session: Session,
  answeredAt: ReadonlyMap<string, number>,
  expected: number,
): Promise<number[]> {
  const { stack } = session;
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const signals = createSignals(stack.books.redis, {
    url: stack.config.redis.url,
    commandTimeoutMs: 5_000,
    name: "tollgate-bench",
    log: silent,
  });
  const rows = await stack.books.database.run(
    "list requests",
    (sql) => sql<{ requestId: string; userId: string }[]>`
      select request_id as "requestId", user_id as "userId"
      from requests
      order by request_id
      limit ${expected}`,
  );
  const committedAt = new Map<string, number>();
  for (let from = 0; from < rows.length; from += BATCH) {
    const batch = rows.slice(from, from + BATCH);
    const next = new Promise<void>((resolve) => void after(resolve, BATCH_PERIOD_MS));
    const at = await endRequests(session, signals.announceFinished, batch);
    for (const { requestId } of batch) committedAt.set(requestId, at);
    await next;
  }
  await untilTrue("all are answered", LIMIT_MS, () => answeredAt.size >= expected);
  signals.close();
  return [...answeredAt].map(([requestId, at]) =>
    Math.max(0, at - (committedAt.get(requestId) ?? at)),
  );
}
