import { after } from "../../adapters/process/timers.ts";
import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import { createSealer } from "../../adapters/crypto/envelope.ts";
import { createSignals } from "../../adapters/redis/signals.ts";
import { encodeJson } from "../../core/request/payload.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
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
const EARLY_MS = 1_000;

interface Waits {
  connections: HttpConnection[];
  /** When the answer came, by request. */
  answeredAt: Map<string, number>;
  lost: Set<string>;
}

/** Opens one long-poll for each request, each on a connection of its own. */
async function openWaits(
  session: Session,
  requests: readonly { requestId: string; apiKey: string }[],
): Promise<Waits> {
  const { hostname, port } = new URL(session.stack.url);
  const waits: Waits = { connections: [], answeredAt: new Map(), lost: new Set() };
  async function open(requestId: string, apiKey: string): Promise<void> {
    const connection = await openHttpConnection(hostname, Number(port));
    const head = [
      `GET /status/${requestId}?wait=${WAIT_SECONDS} HTTP/1.1`,
      `host: ${hostname}`,
      `authorization: Bearer ${apiKey}`,
    ];
    connection.send(Buffer.from(`${head.join("\r\n")}\r\n\r\n`), (code) => {
      if (code === 200) waits.answeredAt.set(requestId, performance.now());
      else waits.lost.add(requestId);
    });
    waits.connections.push(connection);
  }
  for (let from = 0; from < requests.length; from += CONNECTS_AT_ONCE) {
    const part = requests.slice(from, from + CONNECTS_AT_ONCE);
    await Promise.all(part.map(({ requestId, apiKey }) => open(requestId, apiKey)));
  }
  return waits;
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
        gateways: 1,
        notYet: ["worker", "collector"],
        settings: { gateway: { waiters_max: 50_000 } },
      },
      async (session) => {
        await fill(session, WAITING);
        session.stack.restartSamples();
        const requests = (await storedRequests(session)).slice(0, WAITING);
        const waits = await openWaits(session, requests);
        const settled = (): number => waits.lost.size + waits.answeredAt.size;
        await untilTrue(
          "all wait",
          LIMIT_MS,
          async () => (await waitersOf(session)) + settled() >= requests.length,
        );
        session.figure({
          target: "long_polls_waiting",
          what: "callers waiting at once",
          unit: "waits",
          value: await waitersOf(session),
        });
        const committedAt = await endAll(session, requests);
        await untilTrue("all are answered", LIMIT_MS, () => settled() >= requests.length);
        report(session, waits, committedAt);
        for (const connection of waits.connections) connection.close();
      },
    ),
};

/** Ends all requests batch by batch; answers when the commit of each was known. */
async function endAll(
  session: Session,
  requests: readonly { requestId: string; userId: string }[],
): Promise<Map<string, number>> {
  const { stack } = session;
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const signals = createSignals(stack.books.redis, {
    url: stack.config.redis.url,
    commandTimeoutMs: 5_000,
    name: "tollgate-bench",
    log: silent,
  });
  const committedAt = new Map<string, number>();
  for (let from = 0; from < requests.length; from += BATCH) {
    const batch = requests.slice(from, from + BATCH);
    const next = new Promise<void>((resolve) => void after(resolve, BATCH_PERIOD_MS));
    const at = await endRequests(session, signals.announceFinished, batch);
    for (const { requestId } of batch) committedAt.set(requestId, at);
    await next;
  }
  signals.close();
  return committedAt;
}

function report(
  session: Session,
  { answeredAt, lost, connections }: Waits,
  committedAt: ReadonlyMap<string, number>,
): void {
  const latencies = [...answeredAt].map(([id, at]) => at - (committedAt.get(id) ?? 0));
  // Between the commit and our learning of it a recheck may have seen it already; much earlier means that the wait was over before.
  const early = latencies.filter((ms) => ms < -EARLY_MS).length;
  const { p50, p99, max } = percentilesOf(Float64Array.from(latencies, (ms) => Math.max(0, ms)));
  session.figure({ what: "wake-up after the commit, p50", unit: "ms", value: p50 });
  session.figure({
    target: "wake_up_p99_ms",
    what: "wake-up after the commit, p99",
    unit: "ms",
    value: p99,
  });
  session.figure({ what: "wake-up after the commit, longest", unit: "ms", value: max });
  if (lost.size > 0) session.fail(`${lost.size} of ${connections.length} waits were lost`);
  if (early > 0) session.fail(`${early} waits ended before their requests: the run was too slow`);
}
