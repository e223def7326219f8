import type { ModelConfig } from "../core/config/schema.ts";
import {
  type AdaptiveLimit,
  allowedOf,
  initialLimit,
  type LimitBounds,
  lowered,
  raised,
} from "../core/attempt/adaptive-limit.ts";
import {
  afterEnd,
  afterStart,
  type Breaker,
  CLOSED_BREAKER,
  mayPass,
} from "../core/attempt/circuit-breaker.ts";
import type { HealthSignal } from "../core/attempt/outcome.ts";
import type { WorkerPorts } from "./ports.ts";

/** Leave to run one attempt of a model. */
export interface Pass {
  /** Gives the leave back and tells what the attempt showed of the ML service's health. Counts once. */
  finish: (signal: HealthSignal) => void;
}

export interface GateSnapshot {
  underWay: number;
  limit: number;
  breaker: Breaker["kind"];
}

/** Guards one model: the adaptive concurrency limit and the circuit breaker. The configuration is given anew at each use. */
export interface ModelGate {
  isOpen: (config: ModelConfig) => boolean;
  /** Ask `isOpen` first. */
  enter: (config: ModelConfig) => Pass;
  /** When an open breaker lets its probe through, Unix milliseconds; null when time alone opens nothing. */
  opensAtMs: () => number | null;
  snapshot: (config: ModelConfig) => GateSnapshot;
}

const RESULTS = {
  answered: "success",
  timeout: "failure",
  broken: "failure",
  // A busy service lives: it is the limit that has to give, not the breaker.
  busy: "none",
  abandoned: "none",
} as const satisfies Record<HealthSignal, "success" | "failure" | "none">;

const boundsOf = (config: ModelConfig): LimitBounds => ({
  min: config.concurrency_min,
  max: config.concurrency_max,
});

/** `onRoom` is called after each attempt has left: others may enter now. */
export function createModelGate(
  firstConfig: ModelConfig,
  { now }: Pick<WorkerPorts, "now">,
  onRoom: () => void,
): ModelGate {
  let limit: AdaptiveLimit = initialLimit(boundsOf(firstConfig));
  let breaker: Breaker = CLOSED_BREAKER;
  let underWay = 0;

  function leave(
    config: ModelConfig,
    signal: HealthSignal,
    startedAtMs: number,
    isProbe: boolean,
  ): void {
    const bounds = boundsOf(config);
    if (signal === "answered") limit = raised(limit, underWay, bounds);
    if (signal === "busy" || signal === "timeout") {
      limit = lowered(limit, startedAtMs, now(), bounds);
    }
    underWay -= 1;
    breaker = afterEnd(
      breaker,
      { isProbe, result: RESULTS[signal] },
      { failuresMax: config.breaker_failures, openMs: config.breaker_open_ms },
      now(),
    );
    onRoom();
  }

  return {
    isOpen: (config) => underWay < allowedOf(limit, boundsOf(config)) && mayPass(breaker, now()),
    enter(config) {
      underWay += 1;
      breaker = afterStart(breaker);
      const isProbe = breaker.kind === "probing";
      const startedAtMs = now();
      let isInside = true;
      return {
        finish(signal) {
          if (!isInside) return;
          isInside = false;
          leave(config, signal, startedAtMs, isProbe);
        },
      };
    },
    opensAtMs: () => (breaker.kind === "open" ? breaker.untilMs : null),
    snapshot: (config) => ({
      underWay,
      limit: allowedOf(limit, boundsOf(config)),
      breaker: breaker.kind,
    }),
  };
}
