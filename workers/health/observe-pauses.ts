import type { Metrics } from "../../core/metrics.ts";
import { PAUSE_CAUSES } from "../../core/queue/model-signs.ts";
import type { Health } from "./health.ts";

/** Sets the gauges of a model's pauses as this worker knows them. */
export function observePauses(
  metrics: Pick<Metrics, "model_paused">,
  health: Pick<Health, "of" | "isPausedByOperator">,
  model: string,
): void {
  const { pause } = health.of(model);
  for (const cause of PAUSE_CAUSES) {
    const isPaused =
      cause === "operator" ? health.isPausedByOperator(model) : pause?.cause === cause;
    metrics.model_paused.set(isPaused ? 1 : 0, model, cause);
  }
}
