import type { RedisConnection } from "../../adapters/redis/connection.ts";
import type { Sealer } from "../../adapters/crypto/envelope.ts";
import { createDeltaStreams } from "../../adapters/redis/delta-streams.ts";
import { createLanes } from "../../adapters/redis/lanes.ts";
import { createModelHealthStore } from "../../adapters/redis/model-health.ts";
import { createRequestHints } from "../../adapters/redis/request-hints.ts";
import type { Signals } from "../../adapters/redis/signals.ts";
import type { WorkerPorts } from "../ports.ts";

type RedisPorts = Pick<
  WorkerPorts,
  | "markStarted"
  | "clearStarted"
  | "noteDelayed"
  | "readHealth"
  | "changeHealth"
  | "readLanes"
  | "announceModelChange"
  | "onModelChange"
  | "noteWorker"
  | "forgetWorker"
  | "onCancel"
  | "beginDeltas"
  | "appendDeltas"
  | "readDeltas"
>;

/** What a worker keeps in Redis and hears through it. */
export function redisPorts(redis: RedisConnection, signals: Signals, sealer: Sealer): RedisPorts {
  const hints = createRequestHints(redis);
  const health = createModelHealthStore(redis);
  const lanes = createLanes(redis);
  const deltas = createDeltaStreams(redis, sealer);
  return {
    markStarted: hints.markStarted,
    clearStarted: hints.clearStarted,
    noteDelayed: hints.noteDelayed,
    readHealth: health.read,
    changeHealth: health.change,
    readLanes: lanes.readView,
    announceModelChange: signals.announceModelChange,
    onModelChange: signals.onModelChange,
    noteWorker: lanes.noteWorker,
    forgetWorker: lanes.forgetWorker,
    onCancel: signals.onCancel,
    beginDeltas: deltas.begin,
    appendDeltas: deltas.append,
    readDeltas: deltas.read,
  };
}
