import type { GateSnapshot } from "./model-gate.ts";
import type { ActorState } from "./pool.ts";

/** What a worker is doing. */
export interface WorkerSnapshot {
  state: "stopped" | "running" | "draining";
  /** Deliveries owned, the waiting ones included. */
  owned: number;
  waiting: number;
  /** Idle: places that are free at the models that this worker can call. */
  actors: Record<ActorState, number>;
  /** Those of the configuration. */
  models: Record<string, ModelSnapshot>;
}

/** The limit is 0 where the key of the model is missing. */
interface ModelSnapshot extends GateSnapshot {
  waiting: number;
}
