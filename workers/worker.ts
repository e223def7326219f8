import { createConclusions } from "./attempt/conclude.ts";
import { createTurns } from "./attempt/turn.ts";
import { createDeliveries } from "./deliveries/deliveries.ts";
import { createGates, type GateSnapshot } from "./gates.ts";
import { createParking } from "./parking.ts";
import { type ActorState, createPool } from "./pool.ts";
import type { Consumer, WorkerConfig, WorkerPorts } from "./ports.ts";

export interface WorkerSnapshot {
  state: "stopped" | "running" | "draining";
  /** Deliveries owned, the waiting ones included. */
  owned: number;
  waiting: number;
  actors: Record<ActorState, number>;
  /** Those that a delivery has asked for. */
  models: Record<string, GateSnapshot & { waiting: number }>;
}

export interface Worker {
  start: () => Promise<void>;
  /**
   * Stops consuming, hands over what waits, lets attempts finish for `graceMs`, gives back the rest, closes
   * the consumer. Takes at most a second more than `graceMs`. A second call returns the promise of the first.
   */
  drain: (graceMs: number) => Promise<void>;
  snapshot: () => WorkerSnapshot;
  /**
   * Brings the gauges up to date. Called at each scrape: telling them every change cost a tenth of a request.
   */
  observe: () => void;
}

/**
 * How long broken-off attempts may take to give back their deliveries; what is left the broker takes back on
 * close.
 */
const BREAK_OFF_MS = 1_000;

/**
 * `config` is called at each use, so that reloaded models, limits and retries apply from the next attempt on.
 */
export function createWorker({
  config,
  ports,
}: {
  config: () => WorkerConfig;
  ports: WorkerPorts;
}): Worker {
  const startTurns = (): void => pool.startTurns();
  const conclusions = createConclusions(ports);
  const deliveries = createDeliveries(config, ports, conclusions, startTurns);
  const gates = createGates(config, ports, startTurns);
  const turns = createTurns(config, ports, conclusions);
  const parking = createParking(config, ports, { deliveries, gates, conclusions, startTurns });
  const onWaiting = parking.watch;
  const pool = createPool(config().worker.actors, ports, { deliveries, gates, turns, onWaiting });
  let state: WorkerSnapshot["state"] = "stopped";
  let consumer: Consumer | null = null;
  let stopListening: (() => void) | null = null;
  let draining: Promise<void> | null = null;

  function cancel(requestId: string): void {
    deliveries.cancel(requestId);
    startTurns();
  }

  /** A broker that is away must not keep a worker from ending: it takes back what this one owned. */
  async function tryStep(what: string, step: Promise<void> | undefined): Promise<void> {
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
    await tryStep("pause", consumer?.pause());
    deliveries.handOverWaiting();
    await deliveries.whenEmpty(graceMs);
    deliveries.breakOffAll();
    await deliveries.whenEmpty(BREAK_OFF_MS);
    stopListening?.();
    await tryStep("close", consumer?.close());
    state = "stopped";
  }

  function snapshot(): WorkerSnapshot {
    const models = Object.entries(gates.snapshot()).map(([model, gate]) => [
      model,
      { ...gate, waiting: deliveries.waiting.countOf(model) },
    ]);
    return {
      state,
      owned: deliveries.count(),
      waiting: deliveries.waiting.all().length,
      actors: pool.actors(),
      models: Object.fromEntries(models),
    };
  }

  function observe(): void {
    const { metrics } = ports;
    const { actors, models } = snapshot();
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
    async start() {
      stopListening = ports.onCancel(cancel);
      state = "running";
      consumer = await ports.consume(deliveries.take, config().worker.prefetch);
    },
    drain: (graceMs) => (draining ??= stop(graceMs)),
    snapshot,
    observe,
  };
}
