import type { LaneView, ModelLane, WorkerNote } from "../../core/queue/lane.ts";

/** What the dispatcher says of the model `small`; by default nothing waits and nothing may be published. */
export const laneView = (lane: Partial<ModelLane>, atMs = 1): LaneView => ({
  atMs,
  models: {
    small: {
      mode: "direct",
      allowance: 0,
      ready: 0,
      parked: 0,
      ratePerSecond: 0,
      users: 0,
      weights: 0,
      operatorPause: null,
      ...lane,
    },
  },
});

/** A worker that can call the model `small`, or why it cannot. */
export const workerNote = (problem: "key_missing" | null = null): WorkerNote => ({
  workerId: "w",
  host: "h",
  atMs: 1,
  models: { small: { problem, limit: 1, underWay: 0, ended: 0 } },
});
