import type { Scenario } from "../measure/bench.ts";
import { echo, frontier } from "./accepting.ts";
import { besideBento } from "./beside-bento.ts";
import { calls, streams } from "./calls.ts";
import { encrypted } from "./encrypted.ts";
import { fairness } from "./fairness.ts";
import { growthBacklog, growthProcesses, growthRows, growthUsers } from "./growth.ts";
import { longPoll } from "./long-poll.ts";
import { pipeline, soak, sustained } from "./pipeline.ts";
import { alone, status } from "./reading.ts";
import { growthWaiting, waiting } from "./waiting.ts";

/** In the order in which they run: what is compared stands together, so that it meets the same machine. */
export const SCENARIOS: readonly Scenario[] = [
  echo,
  frontier,
  besideBento,
  pipeline,
  sustained,
  status,
  longPoll,
  calls,
  streams,
  alone,
  encrypted,
  fairness,
  waiting,
  growthUsers,
  growthRows,
  growthBacklog,
  growthWaiting,
  growthProcesses,
  soak,
];
