import type { Config } from "../../core/config/schema.ts";
import { createWaitForCompany } from "../../runtime/gather.ts";
import { createNewerMessages } from "../../runtime/newer-messages.ts";
import { pause } from "../../runtime/schedule.ts";
import type { CollectorPorts, ResultConsumer, ResultDelivery } from "../ports.ts";
import { runBatch } from "./run-batch.ts";

export type CollectorOptions = Pick<
  Config["collector"],
  "batch_results_max" | "batch_wait_ms" | "grace_ms"
>;

export interface Collector {
  /** Starts consuming. */
  start: () => Promise<void>;
  /** Stops consuming, finishes within `grace_ms` what was taken, and requeues the rest. */
  drain: () => Promise<void>;
}

/**
 * While one batch commits the next one gathers, and a third settles; more would only wait for the same
 * servers.
 */
const BATCHES_MAX = 3;
/**
 * A batch travels as one message of twice its size, and PostgreSQL closes the connection on one above a
 * gigabyte.
 */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;
/**
 * A batch that failed for no reason known here is requeued slowly, so that it does not go round in circles.
 */
const REQUEUE_AFTER_MS = 1_000;

/**
 * Turns results into ended requests and settled bills. It owns at most what the consumer's prefetch allows,
 * and never acks what is not settled. So while PostgreSQL or Redis is away it stops by itself: nothing is
 * acked, hence nothing more is delivered.
 */
export function createCollector(ports: CollectorPorts, options: CollectorOptions): Collector {
  const waitForCompany = createWaitForCompany(ports.now, options.batch_wait_ms);
  const newer = createNewerMessages(ports);
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();
  let waiting: ResultDelivery[] = [];
  let callOffWait: (() => void) | undefined;
  let consumer: ResultConsumer | undefined;

  function arrive(delivery: ResultDelivery): void {
    if (delivery.decoded.kind === "newer") {
      newer.keep(delivery, delivery.decoded.reason);
      return;
    }
    waiting.push(delivery);
    const waitMs = waitForCompany();
    if (waiting.length >= options.batch_results_max) startBatches();
    else callOffWait ??= ports.schedule(startBatches, waitMs);
  }

  function startBatches(): void {
    callOffWait?.();
    callOffWait = undefined;
    // Deliveries of a lost channel come again; kept here they would pile up while the stores are away.
    waiting = waiting.filter(({ lost }) => !lost.aborted);
    while (waiting.length > 0 && underWay.size < BATCHES_MAX) {
      const size = nextBatchSize();
      const batch = waiting.slice(0, size);
      waiting = waiting.slice(size);
      const run = take(batch).finally(() => {
        underWay.delete(run);
        // Without a timer running, what waits has waited its time while all places were taken.
        const isDue = waiting.length > 0 && callOffWait === undefined;
        if (isDue && !stopping.signal.aborted) startBatches();
      });
      underWay.add(run);
    }
  }

  /** How many of those that wait go into one batch; at least 1. */
  function nextBatchSize(): number {
    const most = Math.min(waiting.length, options.batch_results_max);
    let bytes = 0;
    for (let size = 0; size < most; size += 1) {
      bytes += bytesOf(waiting[size]);
      if (bytes > BATCH_BYTES_MAX) return Math.max(1, size);
    }
    return most;
  }

  async function take(batch: ResultDelivery[]): Promise<void> {
    try {
      for (const { delivery, isUnreadable } of await runBatch(ports, batch, stopping.signal)) {
        if (isUnreadable) delivery.reject();
        else delivery.ack();
      }
    } catch (error) {
      ports.log.error({ err: error, results: batch.length }, "a batch is requeued");
      await pause(ports.schedule, REQUEUE_AFTER_MS, stopping.signal);
      requeueAll(batch);
    }
  }

  async function finishTaken(): Promise<void> {
    startBatches();
    while (underWay.size > 0) await Promise.all(underWay);
    requeueAll(waiting);
  }

  /** A broker that is away takes back anyway what this collector owned. */
  async function withoutBroker(step: () => Promise<void> | undefined): Promise<void> {
    try {
      await step();
    } catch (error) {
      ports.log.warn({ err: error }, "the broker did not answer while stopping");
    }
  }

  return {
    start: async () => {
      consumer = await ports.consumeResults(arrive);
    },
    drain: async () => {
      const callOff = ports.schedule(() => stopping.abort(), options.grace_ms);
      await withoutBroker(() => consumer?.pause());
      await Promise.all([finishTaken(), newer.handOver(stopping.signal)]);
      callOff();
      stopping.abort();
      await withoutBroker(() => consumer?.close());
    },
  };
}

function bytesOf(delivery: ResultDelivery | undefined): number {
  return delivery?.decoded.kind === "result"
    ? (delivery.decoded.result.result?.byteLength ?? 0)
    : 0;
}

function requeueAll(deliveries: readonly ResultDelivery[]): void {
  for (const delivery of deliveries) delivery.requeue();
}
