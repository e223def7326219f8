import type { LaneView } from "../../core/queue/lane.ts";
import {
  type DatedHealth,
  HEALTHY,
  isHealthy,
  type Leave,
  leaveOf,
  type ModelHealth,
} from "../../core/queue/model-health.ts";
import { createSingleFlight } from "../../runtime/single-flight.ts";
import type { WorkerConfig, WorkerPorts } from "../ports.ts";
import { logHealthChange, logOperatorPause } from "./log-changes.ts";

export type Judge = (now: DatedHealth) => ModelHealth | null;

/**
 * What this worker knows of the health of its models. The truth is one record per model that all workers
 * share; while Redis is away this worker judges alone, by the same rules.
 */
export interface Health {
  /** Reads again what is known. Never rejects. */
  refresh: () => Promise<void>;
  of: (model: string) => ModelHealth;
  isPausedByOperator: (model: string) => boolean;
  /** Whether a request of the user may be called now. A worker that probes the model does not ask. */
  leave: (model: string, userId: string) => Leave;
  /**
   * Changes the shared record; returns whether this changed it. While Redis is away it changes only what is
   * known here. Never rejects.
   */
  change: (model: string, judge: Judge) => Promise<boolean>;
  /** Changes what is known here at once and the shared record a moment later, if Redis is there. */
  changeSoon: (model: string, judge: (now: DatedHealth) => ModelHealth) => Promise<void>;
  /** Now, by the clock that all records go by, Unix milliseconds. */
  nowMs: () => number;
}

export type HealthPorts = Pick<
  WorkerPorts,
  "readHealth" | "changeHealth" | "readLanes" | "announceModelChange" | "log" | "now"
>;

/** `onChange`: what may be called of the model, or for whom, has changed. */
export function createHealth(
  config: () => WorkerConfig,
  ports: HealthPorts,
  onChange: (model: string) => void,
): Health {
  /** Of healthy models there is none. */
  const records = new Map<string, ModelHealth>();
  const singleFlight = createSingleFlight<"refresh", void>();
  let lanes: LaneView | undefined;
  /** How far the clock of the records is ahead of ours. */
  let aheadMs = 0;

  const nowMs = (): number => ports.now() + aheadMs;
  const of = (model: string): ModelHealth => records.get(model) ?? HEALTHY;
  const isPausedByOperator = (model: string): boolean =>
    lanes !== undefined && (lanes.models[model]?.operatorPause ?? null) !== null;

  function adopt(model: string, health: ModelHealth): void {
    const before = of(model);
    if (isHealthy(health)) records.delete(model);
    else records.set(model, health);
    if (isHealthy(before) && isHealthy(health)) return;
    logHealthChange(ports.log, model, before, health, nowMs());
    if (pausesOf(before) !== pausesOf(health)) onChange(model);
  }

  function adoptDated(model: string, { health, atMs }: DatedHealth): void {
    aheadMs = atMs - ports.now();
    adopt(model, health);
  }

  async function readRecords(): Promise<void> {
    const models = Object.keys(config().models);
    const read = await ports.readHealth(models);
    for (const [index, dated] of read.entries()) {
      const model = models[index];
      if (model !== undefined) adoptDated(model, dated);
    }
    for (const model of records.keys()) if (!models.includes(model)) records.delete(model);
  }

  async function readLanes(): Promise<void> {
    const view = await ports.readLanes();
    // Without a view the last word of an operator stays in force.
    if (view === undefined) return;
    const before = lanes;
    lanes = view;
    for (const model of Object.keys(config().models)) {
      const [was, is] = [before, view].map((one) => one?.models[model]?.operatorPause ?? null);
      if ((was ?? null) === null && (is ?? null) === null) continue;
      if (logOperatorPause(ports.log, model, was ?? null, is ?? null)) onChange(model);
    }
  }

  /** What is known here stays known while Redis is away. */
  const unlessAway = (reading: Promise<void>): Promise<void> =>
    reading.catch((error: unknown) => {
      ports.log.debug({ err: error }, "the health of the models could not be read");
    });

  async function changeShared(model: string, judge: Judge): Promise<boolean> {
    let before = HEALTHY;
    const { isChanged, ...after } = await ports.changeHealth(model, (now) => {
      before = now.health;
      return judge(now);
    });
    adoptDated(model, after);
    if (isChanged && pausesOf(before) !== pausesOf(after.health)) {
      // The others read it soon anyway.
      ports.announceModelChange(model).catch(() => {});
    }
    return isChanged;
  }

  return {
    refresh: () =>
      singleFlight("refresh", async () => {
        await Promise.all([unlessAway(readRecords()), unlessAway(readLanes())]);
      }),
    of,
    isPausedByOperator,
    leave(model, userId) {
      if (!isPausedByOperator(model)) return leaveOf(of(model), userId, nowMs());
      return { kind: "model_paused", untilMs: Number.POSITIVE_INFINITY };
    },
    async change(model, judge) {
      try {
        return await changeShared(model, judge);
      } catch (error) {
        ports.log.debug({ err: error, model }, "the health of a model is judged here alone");
        const judged = judge({ health: of(model), atMs: nowMs() });
        if (judged !== null) adopt(model, judged);
        return judged !== null;
      }
    },
    async changeSoon(model, judge) {
      adopt(model, judge({ health: of(model), atMs: nowMs() }));
      try {
        await changeShared(model, judge);
      } catch (error) {
        ports.log.debug({ err: error, model }, "what a call showed of a model was not shared");
      }
    },
    nowMs,
  };
}

/** What decides whom the model may be called for. */
function pausesOf({ pause, users }: ModelHealth): string {
  const paused = Object.entries(users).filter(([, { pauseMs }]) => pauseMs > 0);
  return JSON.stringify([pause, paused.map(([userId]) => userId).toSorted()]);
}
