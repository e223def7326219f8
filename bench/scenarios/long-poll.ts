import { createSealer } from "../../adapters/crypto/envelope.ts";
import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import { redisOptions } from "../../adapters/process/redis.ts";
import { createSignals } from "../../adapters/redis/signals.ts";
import { encodeJson } from "../../core/request/payload.ts";
import { silentLog } from "../../runtime/log.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { getCall, rawRequest } from "../load/calls.ts";
import { type HttpConnection, openHttpConnection } from "../load/paced/http-connection.ts";
import type { Scenario } from "../measure/bench.ts";
import { count, storedRequests, type StoredRequest } from "../measure/requests.ts";
import { ACCEPT_ONLY, onStack, type Session } from "../measure/session.ts";
import { percentilesOf } from "../statistics.ts";

const WAITING = 10_000;
const FILL = { ratePerSecond: 3_000, seconds: 1, connections: 128 };
const FILLS_MAX = 30;
const WAIT_SECONDS = 50;
/** As many as the collector ends in one transaction, and about as often as it does at 2,500/s. */
const BATCH = 500;
const BATCH_PERIOD_MS = 200;
const CONNECTS_AT_ONCE = 200;
const LIMIT_MS = 40_000;
const EARLY_MS = 1_000;
const STACK = {
  users: 1_000,
  gateways: 1,
  notYet: ACCEPT_ONLY,
  settings: { gateway: { waiters_max: 50_000 } },
};

interface Waits {
  connections: HttpConnection[];
  /** By request; a status of 0 is a lost connection. */
  answers: Map<string, { status: number; atMs: number }>;
}

/** Accepts at least so many requests as shall wait; a slow machine drops part of what is offered. */
async function fill(session: Session): Promise<void> {
  const files = await session.generate("short");
  for (let fills = 0; fills < FILLS_MAX && (await count(session, "open")) < WAITING; fills += 1)
    await session.unmeasured(files, FILL);
}

/** Opens one long-poll for each request, each on a connection of its own. */
async function openWaits(url: string, requests: readonly StoredRequest[]): Promise<Waits> {
  const waits: Waits = { connections: [], answers: new Map() };
  async function open({ requestId, apiKey }: StoredRequest): Promise<void> {
    const connection = await openHttpConnection(url);
    const call = getCall(`/status/${requestId}?wait=${WAIT_SECONDS}`, apiKey);
    connection.send(rawRequest(call, "bench"), (status) => {
      waits.answers.set(requestId, { status, atMs: performance.now() });
    });
    waits.connections.push(connection);
  }
  for (let from = 0; from < requests.length; from += CONNECTS_AT_ONCE)
    await Promise.all(requests.slice(from, from + CONNECTS_AT_ONCE).map(open));
  return waits;
}

async function countWaiters({ stack }: Session): Promise<number> {
  const metrics = (await stack.gateways[0]?.readMetrics()) ?? "";
  return Number(/^gateway_waiters (\S+)$/m.exec(metrics)?.[1] ?? 0);
}

/**
 * Ends all requests batch by batch as the collector does (commit, settle, announce); returns when the commit
 * of each was known.
 */
async function endAll(
  { stack }: Session,
  requests: readonly StoredRequest[],
): Promise<Map<string, number>> {
  const { database, quota, redis } = stack.books;
  const settings = await redisOptions(stack.config, "tollgate-bench", { log: silentLog });
  const signals = createSignals(redis, settings);
  const sealer = createSealer(stack.config.secrets.encryption_keys);
  const content = encodeJson({ choices: [{ index: 0, text: "done", finish_reason: "stop" }] });
  const completed = {
    state: "completed",
    attempts: 1,
    usage: { source: "reported", promptTokens: 20, completionTokens: 5 },
    error: null,
  } as const;
  const settled = { billedTokens: 25, failedExecutions: 0, expectHold: true };
  const committedAt = new Map<string, number>();
  for (let from = 0; from < requests.length; from += BATCH) {
    const batch = requests.slice(from, from + BATCH);
    const next = Bun.sleep(BATCH_PERIOD_MS);
    const nowMs = Date.now();
    const times = { startedAtMs: nowMs, completedAtMs: nowMs };
    const ends = batch.map(({ requestId, userId }) => {
      const result = sealer.seal(content, { requestId, userId }, "result");
      return { ...completed, ...times, requestId, result };
    });
    await finishRequests(database, ends);
    for (const { requestId } of batch) committedAt.set(requestId, performance.now());
    await quota.settle(batch.map(({ requestId, userId }) => ({ requestId, userId, ...settled })));
    await signals.announceFinished(batch.map(({ requestId }) => requestId));
    await next;
  }
  signals.close();
  return committedAt;
}

export const longPoll: Scenario = {
  name: "long-poll",
  about: "10,000 callers wait for the end of their requests: from the commit to the answer",
  part: "quick",
  rows: ["long_polls_waiting", "wake_up_p99_ms"],
  run: onStack(STACK, async (session) => {
    await fill(session);
    session.sampler.restart();
    const requests = (await storedRequests(session, "all")).slice(0, WAITING);
    const { connections, answers } = await openWaits(session.stack.url, requests);
    await untilTrue("all wait", LIMIT_MS, async () => {
      return (await countWaiters(session)) + answers.size >= requests.length;
    });
    session.row("long_polls_waiting", await countWaiters(session));
    const committedAt = await endAll(session, requests);
    await untilTrue("all are answered", LIMIT_MS, () => answers.size >= requests.length);

    const latencies = [...answers].flatMap(([id, { status, atMs }]) =>
      status === 200 ? atMs - (committedAt.get(id) ?? 0) : [],
    );
    const { p50, p99, max } = percentilesOf(Float64Array.from(latencies, (ms) => Math.max(0, ms)));
    session.figure("wake-up after the commit, p50", "ms", p50);
    session.row("wake_up_p99_ms", p99);
    session.figure("wake-up after the commit, longest", "ms", max);
    const lost = answers.size - latencies.length;
    if (lost > 0) session.fail(`${lost} of ${answers.size} waits were lost`);
    // Between the commit and our learning of it a recheck may have seen it already; much earlier means that
    // the wait was over before.
    const early = latencies.filter((ms) => ms < -EARLY_MS).length;
    if (early > 0) session.fail(`${early} waits ended before their requests: the run was too slow`);
    for (const connection of connections) connection.close();
  }),
};
