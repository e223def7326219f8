import { readRawCalls } from "../calls.ts";
import type { LoadJob } from "../run-load.ts";
import type { LoadReport } from "../../figures.ts";
import { percentilesOf, momentsOf } from "../../statistics.ts";
import { type HttpConnection, openHttpConnection } from "./http-connection.ts";

/**
 * Sends raw HTTP calls at a constant rate, whatever the answers (open loop). A call's latency counts from the
 * instant it was due, so that a server that stalls is charged for every call that should have been sent
 * meanwhile ("coordinated omission").
 */
async function run(job: LoadJob): Promise<LoadReport> {
  const requests = readRawCalls(Buffer.from(await Bun.file(job.files.raw).arrayBuffer()));
  const ca = job.ca === undefined ? undefined : await Bun.file(job.ca).text();
  const idle: HttpConnection[] = [];
  for (let i = 0; i < job.connections; i += 1) idle.push(await openHttpConnection(job.url, ca));

  /** Calls that are due but find no connection free; more are dropped. */
  const waitingMax = job.ratePerSecond * job.graceSeconds;
  const total = Math.floor(job.ratePerSecond * job.seconds);
  const latencies = new Float64Array(total);
  const dueSeconds = new Float64Array(total);
  const unexpected: Record<string, number> = {};
  const waiting: number[] = [];
  let expected = 0;
  let answered = 0;
  let due = 0;
  let dropped = 0;
  const startedAt = performance.now();
  const dueMs = (index: number): number => startedAt + (index / job.ratePerSecond) * 1_000;

  function send(connection: HttpConnection, index: number): void {
    const request = requests[index % requests.length];
    if (request === undefined) throw new Error("there are no calls to send");
    connection.send(request, (status) => {
      if (status === job.status) {
        dueSeconds[expected] = (dueMs(index) - startedAt) / 1_000;
        latencies[expected] = performance.now() - dueMs(index);
        expected += 1;
      } else unexpected[status] = (unexpected[status] ?? 0) + 1;
      answered += 1;
      if (connection.isOpen()) release(connection);
      else void replace();
    });
  }

  function release(connection: HttpConnection): void {
    const next = waiting.shift();
    if (next === undefined) idle.push(connection);
    else send(connection, next);
  }

  /** A server closes what is idle for long; a client sees that before it sends. */
  function takeIdle(): HttpConnection | undefined {
    for (;;) {
      const connection = idle.pop();
      if (connection === undefined || connection.isOpen()) return connection;
      void replace();
    }
  }

  async function replace(): Promise<void> {
    try {
      release(await openHttpConnection(job.url, ca));
    } catch {
      // One connection fewer; if all are lost the rest is dropped.
    }
  }

  const { promise: allAnswered, resolve } = Promise.withResolvers<void>();
  const deadline = startedAt + (job.seconds + job.graceSeconds) * 1_000;
  const timer = setInterval(() => {
    const now = performance.now();
    for (; due < total && dueMs(due) <= now; due += 1) {
      const connection = takeIdle();
      if (connection !== undefined) send(connection, due);
      else if (waiting.length < waitingMax) waiting.push(due);
      else dropped += 1;
    }
    if ((due === total && answered + dropped === total) || now > deadline) resolve();
  }, 1);
  await allAnswered;
  clearInterval(timer);

  const values = latencies.subarray(0, expected);
  // A server that falls behind answers the last calls after the end of the schedule.
  const elapsed = Math.max(job.seconds, (performance.now() - startedAt) / 1_000);
  return {
    expected,
    perSecond: expected / elapsed,
    unexpected,
    dropped: dropped + (total - due) + (due - dropped - answered),
    latencyMs: percentilesOf(values),
    overTime: momentsOf(dueSeconds.subarray(0, expected), values, job.bucketSeconds),
  };
}

const job = JSON.parse(process.env["BENCH_JOB"] ?? "") as LoadJob;
process.stdout.write(`${JSON.stringify(await run(job))}\n`);
process.exit(0);
