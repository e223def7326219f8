import type { ModelConfig } from "../core/config/schema.ts";
import type { Held } from "./held.ts";
import { createModelGate, type GateSnapshot, type ModelGate, type Pass } from "./model-gate.ts";
import type { WorkerConfig, WorkerPorts } from "./ports.ts";

/** The gates of all models in the configuration, made when first needed. */
export interface Gates {
  /** Whether the delivery's turn can come now. */
  mayStart: (held: Held) => boolean;
  /** null: the turn needs no leave, because it will not call the ML service. Ask `mayStart` first. */
  enter: (held: Held) => Pass | null;
  /** When time alone opens a gate next, Unix milliseconds; infinity: it opens none. */
  nextOpeningMs: () => number;
  snapshot: () => Record<string, GateSnapshot>;
}

export function createGates(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "now">,
  onRoom: () => void,
): Gates {
  const gates = new Map<string, ModelGate>();

  function modelOf(model: string): ModelConfig | undefined {
    const { models } = config();
    return Object.hasOwn(models, model) ? models[model] : undefined;
  }

  /** null for what only has to be ended: cancelled, or its model is no longer configured. */
  function gateOf(held: Held): { gate: ModelGate; modelConfig: ModelConfig } | null {
    const { model } = held.request.head;
    const modelConfig = modelOf(model);
    if (held.isCancelled || modelConfig === undefined) return null;
    const gate = gates.get(model) ?? createModelGate(modelConfig, ports, onRoom);
    gates.set(model, gate);
    return { gate, modelConfig };
  }

  return {
    mayStart(held) {
      const found = gateOf(held);
      return found === null || found.gate.isOpen(found.modelConfig);
    },
    enter(held) {
      const found = gateOf(held);
      return found === null ? null : found.gate.enter(found.modelConfig);
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
