import { repeat } from "../runtime/repeat.ts";
import { pause } from "../runtime/schedule.ts";
import { createConclusions } from "./attempt/conclude.ts";
import { createPutOffLog } from "./attempt/put-off-log.ts";
import { createTurns } from "./attempt/turn.ts";
import { createConsumers } from "./consumers.ts";
import { createDeliveries } from "./deliveries/deliveries.ts";
import { createGates } from "./gates.ts";
import { createHealth } from "./health/health.ts";
import { createProbes } from "./health/probes.ts";
import { createReports } from "./health/reports.ts";
import { createPool } from "./pool.ts";
import { modelOf, type WorkerConfig, type WorkerPorts } from "./ports.ts";
import { createSigns } from "./signs.ts";
import type { WorkerSnapshot } from "./snapshot.ts";

export interface Worker {
  start: () => Promise<void>;
  /** Follows a configuration that was reloaded. */
  reload: () => void;
  /**
   * Stops consuming, hands over what waits, lets attempts finish for `graceMs`, gives back the rest, closes
   * the consumers. Takes at most a second more than `graceMs`. A second call returns the promise of the
   * first.
   */
  drain: (graceMs: number) => Promise<void>;
  snapshot: () => WorkerSnapshot;
  /**
   * Brings the gauges up to date. Called at each scrape: telling them every change cost a tenth of a request.
   */
  observe: () => void;
}

/** How often the models are looked at, besides the announcements of changes. */
const LOOK_EVERY_MS = 500;
const NOTE_EVERY_MS = 1_000;
/**
 * How long broken-off attempts may take to give back their deliveries; what is left the broker takes back on
 * close.
 */
const BREAK_OFF_MS = 1_000;
/** How long a drain waits for Redis to hear that this worker goes; what it misses is forgotten in time. */
const TAKE_LEAVE_MS = 500;

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
  const onChange = (): void => {
    consumers.adjust();
    startTurns();
  };
  const conclusions = createConclusions(ports);
  const deliveries = createDeliveries(config, ports, conclusions, startTurns);
  const health = createHealth(config, ports, onChange);
  const probes = createProbes(ports, health, onChange);
  const report = createReports(config, ports, health);
  const gates = createGates(config, ports, { health, probes, report }, startTurns);
  const countPutOff = createPutOffLog(ports);
  const turns = createTurns(config, ports, { conclusions, health, countPutOff });
  const consumers = createConsumers(config, ports, { deliveries, gates, health, probes });
  const pool = createPool(ports, { deliveries, gates, turns });
  const signs = createSigns(ports, { health, isCallable });
  let state: WorkerSnapshot["state"] = "stopped";
  let stopListening = (): void => {};
  let stopLooking = (): void => {};
  let draining: Promise<void> | null = null;

  function isCallable(model: string): boolean {
    const modelConfig = modelOf(config(), model);
    return modelConfig !== undefined && ports.hasKey(modelConfig);
  }

  /** Health first, so that nothing is consumed of a model that is known to be paused. */
  async function look(): Promise<void> {
    await health.refresh();
    if (state !== "running") return;
    probes.look(Object.keys(config().models).filter(isCallable));
    onChange();
  }

  function cancel(requestId: string): void {
    deliveries.cancel(requestId);
    startTurns();
  }

  /** Others learn that this worker goes, at once if Redis is there. */
  async function takeLeave(): Promise<void> {
    const isTold = new AbortController();
    const told = Promise.all([probes.stop(), signs.takeLeave()]);
    void told.finally(() => isTold.abort());
    await pause(ports.schedule, TAKE_LEAVE_MS, isTold.signal);
  }

  /** A broker that is away must not keep a worker from ending: it takes back what this one owned. */
  async function tryStep(what: string, step: Promise<void>): Promise<void> {
    try {
      await step;
    } catch (error) {
      ports.log.warn({ err: error, what }, "a step of the drain failed");
    }
  }

  async function stop(graceMs: number): Promise<void> {
    state = "draining";
    stopLooking();
    pool.drain();
    const leave = takeLeave();
    await tryStep("pause", consumers.stop());
    deliveries.handOverAll();
    await deliveries.whenEmpty(graceMs);
    deliveries.breakOffAll();
    await deliveries.whenEmpty(BREAK_OFF_MS);
    await leave;
    stopListening();
    await tryStep("close", consumers.close());
    state = "stopped";
  }

  function snapshot(): WorkerSnapshot {
    const models = Object.entries(gates.snapshot()).map(([model, gate]) => {
      const waiting = deliveries.waiting.countOf(model);
      return [model, { ...gate, limit: isCallable(model) ? gate.limit : 0, waiting }] as const;
    });
    const free = models.map(([, { limit, underWay }]) => Math.max(0, limit - underWay));
    const idle = state === "running" ? free.reduce((sum, places) => sum + places, 0) : 0;
    return {
      state,
      owned: deliveries.count(),
      waiting: deliveries.waiting.all().length,
      actors: { idle, ...pool.actors() },
      models: Object.fromEntries(models),
    };
  }

  return {
    async start() {
      state = "running";
      stopListening = ports.onCancel(cancel);
      await look();
      const stops = [
        ports.onModelChange((model) => void (isCallable(model) && look())),
        repeat(ports.schedule, look, () => LOOK_EVERY_MS),
        repeat(
          ports.schedule,
          () => signs.note(snapshot()),
          () => NOTE_EVERY_MS,
        ),
      ];
      stopLooking = () => stops.forEach((stopOne) => stopOne());
    },
    reload: onChange,
    drain: (graceMs) => (draining ??= stop(graceMs)),
    snapshot,
    observe: () => signs.observe(snapshot()),
  };
}
