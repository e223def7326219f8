import type { Metrics } from "../../core/metrics.ts";
import { suspicionOf, type Trouble } from "../../core/queue/model-health.ts";
import type { Health } from "./health.ts";

const CAUSES = [
  "unreachable",
  "busy",
  "unavailable",
  "refused",
  "failing",
  "operator",
] as const satisfies readonly (Trouble | "operator")[];

/** Sets the gauge of a model's pauses, and of the suspicion of one, by cause. */
export function observePauses(
  metrics: Pick<Metrics, "model_paused">,
  health: Pick<Health, "of" | "isPausedByOperator" | "nowMs">,
  model: string,
): void {
  const known = health.of(model);
  const cause = known.pause?.cause ?? suspicionOf(known, health.nowMs())?.trouble;
  for (const one of CAUSES) {
    const is = one === "operator" ? health.isPausedByOperator(model) : one === cause;
    metrics.model_paused.set(is ? 1 : 0, model, one);
  }
}
