import { isWorthResizing } from "../core/attempt/prefetch.ts";
import type { Deliveries } from "./deliveries/deliveries.ts";
import type { DeliverySource } from "./deliveries/owned.ts";
import type { Gates } from "./gates.ts";
import type { Health } from "./health/health.ts";
import type { Probes } from "./health/probes.ts";
import { type Consumer, modelOf, type WorkerConfig, type WorkerPorts } from "./ports.ts";

/** One consumer for each model that this worker can call: a model apart from every other. */
export interface Consumers {
  /**
   * Brings the consumers to what is wanted now: starts and ends them as the configuration says, stops those
   * of paused models, and sizes the others. Call it when that may have changed, and now and then: a step that
   * the broker did not take is tried again. Returns at once.
   */
  adjust: () => void;
  /** Stops new deliveries of all models; resolves when none can come any more. */
  stop: () => Promise<void>;
  close: () => Promise<void>;
}

export interface ConsumerNeighbours {
  deliveries: Pick<Deliveries, "take" | "handOver" | "putBack" | "countOf">;
  gates: Pick<Gates, "prefetchOf" | "waitingMaxOf">;
  health: Pick<Health, "of" | "isPausedByOperator">;
  probes: Pick<Probes, "isAwaiting">;
}

/** A consumer and how it was set last. */
interface Kept {
  source: DeliverySource;
  /** Which queue it consumes: `inference_requests` is that of whichever model is the default one. */
  isDefault: boolean;
  consumer: Consumer | null;
  prefetch: number;
  /** What is done for it now, and whether there is more to do afterwards. */
  step: Promise<void> | null;
  isStale: boolean;
}

export function createConsumers(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "consume" | "hasKey" | "log">,
  { deliveries, gates, health, probes }: ConsumerNeighbours,
): Consumers {
  const all = new Set<Kept>();
  let isStopped = false;

  function isWanted({ source: { model }, isDefault }: Kept): boolean {
    const modelConfig = modelOf(config(), model);
    if (modelConfig === undefined || !ports.hasKey(modelConfig)) return false;
    return isDefault === (config().default_model === model);
  }

  const isCallable = (model: string): boolean =>
    health.of(model).pause === null && !health.isPausedByOperator(model);

  /** How many deliveries the consumer should own now. */
  function wantedOf(kept: Kept): number {
    const { model } = kept.source;
    if (isStopped || !isWanted(kept)) return 0;
    if (isCallable(model)) {
      const wanted = gates.prefetchOf(model);
      const isClose = kept.prefetch > 0 && !isWorthResizing(kept.prefetch, wanted);
      return isClose ? kept.prefetch : wanted;
    }
    // The one to try the model with, beside those whose call had begun before.
    return probes.isAwaiting(model) ? deliveries.countOf(kept.source) + 1 : 0;
  }

  async function settle(kept: Kept): Promise<void> {
    const { source } = kept;
    const wanted = wantedOf(kept);
    if (kept.consumer === null) {
      if (wanted === 0) return;
      kept.prefetch = wanted;
      kept.consumer = await ports.consume(source.model, wanted, (delivery) =>
        deliveries.take(source, delivery),
      );
    } else if (wanted !== kept.prefetch) {
      await kept.consumer.setPrefetch(wanted);
      kept.prefetch = wanted;
    }
    // Whatever came before the subscription ended.
    if (wanted === 0 && !isStopped) deliveries.handOver(source);
    if (wanted > 0 && isCallable(source.model))
      deliveries.putBack(source, gates.waitingMaxOf(source.model, wanted));
  }

  /** A consumer that is not wanted any more ends when what it delivered has left. */
  async function endIfDone(kept: Kept): Promise<void> {
    if (isWanted(kept) || kept.prefetch > 0 || deliveries.countOf(kept.source) > 0) return;
    all.delete(kept);
    await kept.consumer?.close();
  }

  async function work(kept: Kept): Promise<void> {
    try {
      while (kept.isStale) {
        kept.isStale = false;
        await settle(kept);
        await endIfDone(kept);
      }
    } catch (error) {
      const { model } = kept.source;
      ports.log.warn({ err: error, model }, "a consumer could not be adjusted; it is tried again");
    } finally {
      kept.step = null;
    }
  }

  function adjustOne(kept: Kept): Promise<void> {
    kept.isStale = true;
    kept.step ??= work(kept);
    return kept.step;
  }

  function addMissing(): void {
    for (const model of Object.keys(config().models)) {
      const isDefault = config().default_model === model;
      const kept: Kept = {
        source: { model },
        isDefault,
        consumer: null,
        prefetch: 0,
        step: null,
        isStale: false,
      };
      const isThere = [...all].some(
        (other) => other.source.model === model && other.isDefault === isDefault,
      );
      if (!isThere && isWanted(kept)) all.add(kept);
    }
  }

  return {
    adjust() {
      if (isStopped) return;
      addMissing();
      for (const kept of all) void adjustOne(kept);
    },
    async stop() {
      isStopped = true;
      await Promise.all([...all].map(adjustOne));
    },
    async close() {
      await Promise.all([...all].map(async ({ consumer }) => consumer?.close()));
    },
  };
}
