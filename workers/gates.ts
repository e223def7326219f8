import type { InferenceOutcome } from "../core/attempt/outcome.ts";
import type { OwnedDelivery } from "./deliveries/owned.ts";
import type { Health } from "./health/health.ts";
import type { Probes } from "./health/probes.ts";
import type { ReportCall, Trial } from "./health/reports.ts";
import { createModelGate, type GateSnapshot, type ModelGate } from "./model-gate.ts";
import { modelOf, type WorkerConfig, type WorkerPorts } from "./ports.ts";

/** Says what may start now: each model has a limit and its pauses, and of the suspects one runs at a time. */
export interface Gates {
  mayStart: (owned: OwnedDelivery) => boolean;
  /** Ask `mayStart` first. */
  enter: (owned: OwnedDelivery) => Pass;
  /** How many deliveries of the model should be owned here while it is not paused. */
  prefetchOf: (model: string) => number;
  /** How many deliveries of the model may wait here while its prefetch is so much. */
  waitingMaxOf: (model: string, prefetch: number) => number;
  /** The models of the configuration. */
  snapshot: () => Record<string, GateSnapshot>;
}

/** Leave to take one turn. */
export interface Pass {
  /** False: the delivery only has to be ended, or to go where it can be called. */
  hasPlace: boolean;
  /** Whether the turn tries a paused model for everybody. */
  isProbe: boolean;
  /** Returns whether this turn may be the one that tries the user's requests. */
  takeUserTrial: () => Promise<boolean>;
  /** The call has ended with an outcome: frees the place at the model, and tells what the outcome shows. */
  endCall: (outcome: InferenceOutcome) => void;
  /** There was no call, or it was broken off: frees the place. Does nothing after `endCall`. */
  leavePlace: () => void;
  /** Frees all that is left. Call it once. */
  endTurn: () => void;
}

export interface GateNeighbours {
  health: Pick<Health, "leave">;
  probes: Pick<Probes, "isAwaiting" | "begin" | "abandon" | "end" | "takeForUser" | "endForUser">;
  report: ReportCall;
}

/** `onRoom` is called after each call: others may start now. */
export function createGates(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "now">,
  { health, probes, report }: GateNeighbours,
  onRoom: () => void,
): Gates {
  /** Made when first needed. */
  const gates = new Map<string, ModelGate>();
  let suspectsRunning = 0;

  /** undefined: the model is not in the configuration. */
  function gateOf(model: string): ModelGate | undefined {
    if (modelOf(config(), model) === undefined) return undefined;
    const gate = gates.get(model) ?? createModelGate(() => boundsOf(config(), model), ports.now);
    gates.set(model, gate);
    return gate;
  }

  const leaveOf = ({ request: { head } }: OwnedDelivery) => health.leave(head.model, head.userId);

  /** undefined for what needs no place: it only has to be ended, or to go where it can be called. */
  function gateFor(owned: OwnedDelivery): ModelGate | undefined {
    if (owned.isCancelled || leaveOf(owned).kind === "user_paused") return undefined;
    return gateOf(owned.request.head.model);
  }

  function enter(owned: OwnedDelivery): Pass {
    const { model, userId } = owned.request.head;
    const place = gateFor(owned)?.enter();
    const isProbe = place !== undefined && leaveOf(owned).kind === "model_paused";
    let trial: Trial = isProbe ? "model" : null;
    if (isProbe) probes.begin(model);
    if (owned.isSuspect) suspectsRunning += 1;

    function endTrial(isTried: boolean): void {
      if (trial === "user") probes.endForUser(model, userId, isTried);
      else if (trial === "model" && isTried) probes.end(model);
      else if (trial === "model") probes.abandon(model);
    }

    function leavePlace(): void {
      if (place === undefined || place.leave(null) === null) return;
      endTrial(false);
      onRoom();
    }

    return {
      hasPlace: place !== undefined,
      isProbe,
      async takeUserTrial() {
        if (await probes.takeForUser(model, userId)) trial = "user";
        return trial === "user";
      },
      endCall(outcome) {
        const tookMs = place?.leave(outcome) ?? null;
        if (tookMs === null) return;
        report({ model, userId, outcome, tookMs, trial });
        endTrial(true);
        onRoom();
      },
      leavePlace,
      endTurn() {
        if (owned.isSuspect) suspectsRunning -= 1;
        leavePlace();
        place?.endTurn();
      },
    };
  }

  return {
    mayStart(owned) {
      if (owned.isSuspect && suspectsRunning > 0) return false;
      const gate = gateFor(owned);
      if (gate === undefined) return true;
      if (!gate.isOpen()) return false;
      const isPaused = leaveOf(owned).kind === "model_paused";
      return !isPaused || probes.isAwaiting(owned.request.head.model);
    },
    enter,
    prefetchOf: (model) => gateOf(model)?.prefetch() ?? 0,
    waitingMaxOf: (model, prefetch) => gateOf(model)?.waitingMax(prefetch) ?? 0,
    snapshot() {
      const { models } = config();
      for (const model of gates.keys()) if (!Object.hasOwn(models, model)) gates.delete(model);
      const entries = Object.keys(models).flatMap((model) => {
        const gate = gateOf(model);
        return gate === undefined ? [] : [[model, gate.snapshot()] as const];
      });
      return Object.fromEntries(entries);
    },
  };
}

function boundsOf(config: WorkerConfig, model: string) {
  const { concurrency_min = 1, concurrency_max = 1 } = modelOf(config, model) ?? {};
  const max = Math.min(concurrency_max, config.worker.actors);
  return { min: Math.min(concurrency_min, max), max };
}
