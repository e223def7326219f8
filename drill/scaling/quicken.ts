import type { Scene } from "../scene.ts";
import { changeScaling } from "../workload.ts";

const AT_ONCE = {
  stabilizationWindowSeconds: 0,
  policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
};

const COOLDOWN_SECONDS = 15;

/**
 * Scales in without the minutes of patience that production needs. What decides how many replicas there are
 * to be stays as it is: triggers, thresholds, bounds, and how scaled objects grow.
 */
export async function quicken(scene: Scene): Promise<void> {
  const behavior = { scaleDown: AT_ONCE };
  const advanced = { horizontalPodAutoscalerConfig: { behavior } };
  scene.mark(`scale-in made quick: no window, cooldown ${COOLDOWN_SECONDS} s`);
  for (const name of ["worker", "gateway", "ml"])
    await changeScaling(scene, name, { cooldownPeriod: COOLDOWN_SECONDS, advanced });
  const scaleUp = { stabilizationWindowSeconds: 0 };
  await changeScaling(scene, "ml", {
    advanced: { horizontalPodAutoscalerConfig: { behavior: { scaleUp } } },
  });
  scene.mark("the window of ml's scale-out is left out as well");
}
