import { createConclusions } from "./conclude.ts";
import { createTurnHandler } from "./handle.ts";
import { cancel, giveBack, type Held, hold } from "./held.ts";
import { createHoldings } from "./holdings.ts";
import { createParking } from "./parking.ts";
import { createNewerMessages } from "../runtime/newer-messages.ts";
import { pause } from "../runtime/schedule.ts";
import { createPool, type PoolSnapshot } from "./pool.ts";
import type { Consumer, Delivery, WorkerConfig, WorkerPorts } from "./ports.ts";

export interface WorkerSnapshot extends PoolSnapshot {
  state: "stopped" | "running" | "draining";
  /** Deliveries owned, the waiting ones included. */
  held: number;
}

export interface Worker {
  start: () => Promise<void>;
  /**
   * Stops consuming, hands over what waits, lets attempts finish for `graceMs`, gives back the rest, closes the consumer. Takes
   * at most a second more than `graceMs`; asking twice answers the same promise.
   */
  drain: (graceMs: number) => Promise<void>;
  snapshot: () => WorkerSnapshot;
  /** Brings the gauges up to date. Asked for at a scrape: telling them every change cost a tenth of a request. */
  observe: () => void;
}

/** How long broken-off attempts may take to hand back their deliveries; what is left the broker takes back on close. */
const GIVE_BACK_MS = 1_000;

/** `config` is asked at each use, so that reloaded models, limits and retries apply from the next attempt on. */
export function createWorker({
  config,
  ports,
}: {
  config: () => WorkerConfig;
  ports: WorkerPorts;
}): Worker {
  const holdings = createHoldings(lose);
  const conclusions = createConclusions(ports);
  const handler = createTurnHandler(config, ports, conclusions);
  const pool = createPool(config, ports, handler, {
    onTurnEnd: holdings.remove,
    onWaiting: () => parking.watch(),
  });
  const newer = createNewerMessages(ports);
  const parking = createParking(config, ports, pool, conclusions, holdings.remove);
  let state: WorkerSnapshot["state"] = "stopped";
  let consumer: Consumer | null = null;
  let stopListening: (() => void) | null = null;
  let draining: Promise<void> | null = null;
  const handedOver = new AbortController();

  function take(delivery: Delivery): void {
    if (!delivery.decoded.ok) {
      refuse(delivery, delivery.decoded);
      return;
    }
    // Until then a drain hands over what still arrives with all the rest: each ack before the pause would only bring the next.
    if (handedOver.signal.aborted || delivery.lost.aborted) {
      delivery.requeue();
      return;
    }
    const parkAtMs = ports.now() + config().worker.park_ms;
    const held = hold(delivery, delivery.decoded.request, parkAtMs);
    holdings.add(held);
    pool.add(held);
  }

  function refuse(
    delivery: Delivery,
    { isNewer, reason }: { isNewer: boolean; reason: string },
  ): void {
    if (isNewer) {
      newer.hold(delivery, reason);
      return;
    }
    ports.log.error({ reason }, "a message cannot be read");
    delivery.reject();
  }

  function lose(held: Held): void {
    giveBack(held);
    for (const waiting of pool.takeWaiting((other) => other === held)) holdings.remove(waiting);
  }

  function handOverWaiting(): void {
    handedOver.abort();
    for (const held of pool.takeWaiting(() => true)) {
      void conclusions.handOver(held).finally(() => holdings.remove(held));
    }
  }

  function cancelRequest(requestId: string): void {
    for (const held of holdings.all()) {
      if (held.request.head.requestId === requestId) cancel(held);
    }
    pool.startTurns();
  }

  /** Waits until nothing is held, at most `ms`. */
  async function settleWithin(ms: number): Promise<void> {
    const emptied = new AbortController();
    const timeUp = new AbortController();
    const timer = pause(ports.schedule, ms, emptied.signal).then(() => timeUp.abort());
    await Promise.all([holdings.whenEmpty(timeUp.signal), newer.handOver(timeUp.signal)]);
    emptied.abort();
    await timer;
  }

  /** A broker that is away must not keep a worker from ending: it takes back what this one held. */
  async function attempt(what: string, step: Promise<void> | undefined): Promise<void> {
    try {
      await step;
    } catch (error) {
      ports.log.warn({ err: error, what }, "a step of the drain failed");
    }
  }

  async function stop(graceMs: number): Promise<void> {
    state = "draining";
    parking.stop();
    pool.drain();
    await attempt("pause", consumer?.pause());
    handOverWaiting();
    await settleWithin(graceMs);
    for (const held of holdings.all()) giveBack(held);
    await settleWithin(GIVE_BACK_MS);
    stopListening?.();
    await attempt("close", consumer?.close());
    state = "stopped";
  }

  function observe(): void {
    const { metrics } = ports;
    const { actors, models } = pool.snapshot();
    metrics.worker_actors.set(actors.idle, "idle");
    metrics.worker_actors.set(actors.busy, "busy");
    metrics.worker_actors.set(actors.draining, "draining");
    for (const [model, { limit, breaker, waiting }] of Object.entries(models)) {
      metrics.worker_concurrency_limit.set(limit, model);
      metrics.worker_breaker_open.set(breaker === "closed" ? 0 : 1, model);
      metrics.worker_deliveries_waiting.set(waiting, model);
    }
  }

  return {
    observe,
    async start() {
      stopListening = ports.onCancel(cancelRequest);
      state = "running";
      consumer = await ports.consume(take, config().worker.prefetch);
    },
    drain: (graceMs) => (draining ??= stop(graceMs)),
    snapshot: () => ({ state, held: holdings.size(), ...pool.snapshot() }),
  };
}
