import type { Scenario } from "../measure/bench.ts";
import { acceptFrontier, hotUser, quotaStorm } from "./accepting.ts";
import { fairness } from "./fairness.ts";
import { growthBacklog, growthProcesses, growthRows, growthUsers } from "./growth.ts";
import { longPoll } from "./long-poll.ts";
import { bentoDocumented, bentoTuned, besideBento, echo } from "./peers.ts";
import { drain, pipeline, soak, sustained } from "./pipeline.ts";
import { alone, status } from "./reading.ts";
import { growthWaiting, waiting } from "./waiting.ts";

/** In the order in which they run: what is compared stands together, so that it meets the same machine. */
export const SCENARIOS: readonly Scenario[] = [
  echo,
  acceptFrontier,
  besideBento,
  bentoTuned,
  bentoDocumented,
  hotUser,
  pipeline,
  sustained,
  status,
  longPoll,
  quotaStorm,
  drain,
  alone,
  fairness,
  waiting,
  growthUsers,
  growthRows,
  growthBacklog,
  growthWaiting,
  growthProcesses,
  soak,
];
