import type { Scenario } from "../measure/bench.ts";
import { accept } from "./accept.ts";
import { alone } from "./alone.ts";
import { bentoBare, bentoDocumented, bentoTuned } from "./bento.ts";
import { besideBento } from "./beside-bento.ts";
import { collectorAlone } from "./collector.ts";
import { drain } from "./drain.ts";
import { echo } from "./echo.ts";
import { fairness } from "./fairness.ts";
import { acceptFrontier } from "./frontier.ts";
import { growthBacklog } from "./growth-backlog.ts";
import { growthProcesses } from "./growth-processes.ts";
import { growthRows } from "./growth-rows.ts";
import { growthUsers } from "./growth-users.ts";
import { hotUser } from "./hot-user.ts";
import { longPoll } from "./long-poll.ts";
import { pipeline } from "./pipeline.ts";
import { portkey } from "./portkey.ts";
import { quotaStorm } from "./quota-storm.ts";
import { soak } from "./soak.ts";
import { status } from "./status.ts";
import { sustained } from "./sustained.ts";
import { growthWaiting, waiting } from "./waiting.ts";
import { workerPool } from "./workers.ts";

/** In the order in which they run: what is compared stands together, so that it meets the same machine. */
export const SCENARIOS: readonly Scenario[] = [
  echo,
  acceptFrontier,
  besideBento,
  bentoTuned,
  bentoDocumented,
  bentoBare,
  portkey,
  accept,
  hotUser,
  pipeline,
  sustained,
  status,
  longPoll,
  quotaStorm,
  drain,
  collectorAlone,
  workerPool,
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
