import { bentoBare, bentoDocumented, bentoTuned } from "../peers/bento.ts";
import { echo } from "../peers/echo.ts";
import { portkey } from "../peers/portkey.ts";
import { acceptFrontier, acceptHotUser, acceptSteady } from "./accept.ts";
import { alone } from "./alone.ts";
import { besideBento } from "./beside-bento.ts";
import { collectorAlone, drain, workerPool } from "./backlog.ts";
import { growthBacklog } from "./growth-backlog.ts";
import { growthProcesses } from "./growth-processes.ts";
import { growthRows } from "./growth-rows.ts";
import { growthUsers } from "./growth-users.ts";
import { longPoll } from "./long-poll.ts";
import { pipeline, sustained } from "./pipeline.ts";
import { quotaStorm } from "./quota-storm.ts";
import type { Scenario } from "./scenario.ts";
import { soak } from "./soak.ts";
import { status } from "./status.ts";

/** In the order in which they run: what is compared with each other stands together, so that it meets the same machine. */
export const SCENARIOS: readonly Scenario[] = [
  echo,
  acceptFrontier,
  besideBento,
  bentoTuned,
  bentoDocumented,
  bentoBare,
  portkey,
  acceptSteady,
  acceptHotUser,
  pipeline,
  sustained,
  status,
  longPoll,
  quotaStorm,
  drain,
  collectorAlone,
  workerPool,
  alone,
  growthUsers,
  growthRows,
  growthBacklog,
  growthProcesses,
  soak,
];
