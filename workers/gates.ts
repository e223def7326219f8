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
import type { ModelConfig } from "../core/config/schema.ts";
import type { OwnedDelivery } from "./deliveries/owned.ts";
import type { WorkerConfig, WorkerPorts } from "./ports.ts";

/** Says what may start now: each model has a limit and a breaker, and of the suspects one runs at a time. */
export interface Gates {
  mayStart: (owned: OwnedDelivery) => boolean;
  /** Ask `mayStart` first. */
  enter: (owned: OwnedDelivery) => Pass;
  /** When time alone opens a gate next, Unix milliseconds; infinity: it opens none. */
  nextOpeningMs: () => number;
  /** The models that a delivery has asked for. */
  snapshot: () => Record<string, GateSnapshot>;
}

/** Leave to take one turn. */
export interface Pass {
  /** False: the turn must not call the ML service, the delivery only has to be ended. */
  mayCall: boolean;
  /** Frees the place at the model, and says what the call showed of the ML service's health. Counts once. */
  endCall: (signal: HealthSignal) => void;
  /** Frees all that is left. Call it once. */
  endTurn: () => void;
}

export interface GateSnapshot {
  underWay: number;
  limit: number;
  breaker: Breaker["kind"];
}

/** `onRoom` is called after each call: others may start now. */
export function createGates(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "now">,
  onRoom: () => void,
): Gates {
  /** Made when first needed. */
  const gates = new Map<string, ModelGate>();
  let suspectsRunning = 0;

  function modelOf(model: string): ModelConfig | undefined {
    const { models } = config();
    return Object.hasOwn(models, model) ? models[model] : undefined;
  }

  /** null for what only has to be ended: it is cancelled, or its model is not in the configuration. */
  function gateOf(owned: OwnedDelivery): { gate: ModelGate; modelConfig: ModelConfig } | null {
    const { model } = owned.request.head;
    const modelConfig = modelOf(model);
    if (owned.isCancelled || modelConfig === undefined) return null;
    const gate = gates.get(model) ?? createModelGate(modelConfig, ports, onRoom);
    gates.set(model, gate);
    return { gate, modelConfig };
  }

  return {
    mayStart(owned) {
      if (owned.isSuspect && suspectsRunning > 0) return false;
      const found = gateOf(owned);
      return found === null || found.gate.isOpen(found.modelConfig);
    },
    enter(owned) {
      if (owned.isSuspect) suspectsRunning += 1;
      const found = gateOf(owned);
      const endCall = found === null ? noCall : found.gate.enter(found.modelConfig);
      return {
        mayCall: found !== null,
        endCall,
        endTurn() {
          if (owned.isSuspect) suspectsRunning -= 1;
          endCall("abandoned");
        },
      };
    },
    nextOpeningMs() {
      const nowMs = ports.now();
      let nextMs = Number.POSITIVE_INFINITY;
      for (const gate of gates.values()) {
        const atMs = gate.opensAtMs();
        // A breaker whose time is up waits for an actor or a delivery, not for the clock.
        if (atMs !== null && atMs > nowMs) nextMs = Math.min(nextMs, atMs);
      }
      return nextMs;
    },
    snapshot() {
      const entries: [string, GateSnapshot][] = [];
      for (const [model, gate] of gates) {
        const modelConfig = modelOf(model);
        if (modelConfig !== undefined) entries.push([model, gate.snapshot(modelConfig)]);
      }
      return Object.fromEntries(entries);
    },
  };
}

const noCall: Pass["endCall"] = () => {};

/**
 * Guards one model by the adaptive concurrency limit and the circuit breaker. The configuration is a
 * parameter of each use, because it may have been reloaded.
 */
interface ModelGate {
  isOpen: (config: ModelConfig) => boolean;
  /** Ask `isOpen` first. */
  enter: (config: ModelConfig) => Pass["endCall"];
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

function createModelGate(
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
      return (signal) => {
        if (!isInside) return;
        isInside = false;
        leave(config, signal, startedAtMs, isProbe);
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
