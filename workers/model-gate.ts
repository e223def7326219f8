import {
  type AdaptiveLimit,
  allowedOf,
  initialLimit,
  type LimitBounds,
  lowered,
  raised,
} from "../core/attempt/adaptive-limit.ts";
import { type InferenceOutcome, isExecution, loadSignalOf } from "../core/attempt/outcome.ts";
import { afterTurn, prefetchOf, type TurnTimes, waitingMaxOf } from "../core/attempt/prefetch.ts";

/** The places at one model, bounded by the adaptive limit, and how long its turns take. */
export interface ModelGate {
  isOpen: () => boolean;
  /** Ask `isOpen` first. */
  enter: () => Place;
  /** How many deliveries of the model should be owned. */
  prefetch: () => number;
  /** How many deliveries may wait in this worker, whose prefetch is given. */
  waitingMax: (prefetch: number) => number;
  snapshot: () => GateSnapshot;
}

export interface Place {
  /**
   * Frees the place; null: without an outcome. Returns for how long it was taken, milliseconds; null: it was
   * free already.
   */
  leave: (outcome: InferenceOutcome | null) => number | null;
  /** All that follows the call is done. */
  endTurn: () => void;
}

export interface GateSnapshot {
  underWay: number;
  limit: number;
  /** Executions that have ended so far. */
  ended: number;
}

/** The bounds are asked for at each use, because the configuration may have been reloaded. */
export function createModelGate(bounds: () => LimitBounds, now: () => number): ModelGate {
  let limit: AdaptiveLimit = initialLimit(bounds());
  let underWay = 0;
  let ended = 0;
  let times: TurnTimes | null = null;

  const allowed = (): number => allowedOf(limit, bounds());

  /** Returns whether the service answered. */
  function learn(outcome: InferenceOutcome, startedAtMs: number): boolean {
    if (isExecution(outcome)) ended += 1;
    const signal = loadSignalOf(outcome);
    if (signal === "answered") limit = raised(limit, underWay, bounds());
    if (signal === "too_much") limit = lowered(limit, startedAtMs, now(), bounds());
    return signal === "answered";
  }

  return {
    isOpen: () => underWay < allowed(),
    enter() {
      underWay += 1;
      const startedAtMs = now();
      let leftAtMs: number | null = null;
      /** Only such turns tell how long a call takes: some failures are quick. */
      let isAnswered = false;
      return {
        leave(outcome) {
          if (leftAtMs !== null) return null;
          leftAtMs = now();
          if (outcome !== null) isAnswered = learn(outcome, startedAtMs);
          underWay -= 1;
          return leftAtMs - startedAtMs;
        },
        endTurn() {
          if (!isAnswered || leftAtMs === null) return;
          const turn = { callMs: leftAtMs - startedAtMs, concludeMs: now() - leftAtMs };
          times = afterTurn(times, turn);
        },
      };
    },
    prefetch: () => prefetchOf(allowed(), times),
    waitingMax: (prefetch) => waitingMaxOf(allowed(), prefetch, times),
    snapshot: () => ({ underWay, limit: allowed(), ended }),
  };
}
