import type { Config } from "../../core/config/schema.ts";
import type { OperatorPause, WorkerNote } from "../../core/queue/lane.ts";
import {
  type DatedHealth,
  HEALTHY,
  suspicionOf,
  type Trouble,
} from "../../core/queue/model-health.ts";
import type { Readings, SharedReading } from "./reading.ts";

/** How a model is, the first that holds. */
export const MODEL_STATES = [
  /** Not in the configuration, and requests of it are open or an operator has paused it. */
  "removed",
  "paused_by_operator",
  /** Its ML service cannot be called now; one request tries at a time. */
  "paused",
  /** Workers run, and none has its key. */
  "key_missing",
  /** No worker runs that can call it. */
  "no_worker",
  /** It is called, and nothing that the only caller sent succeeds. */
  "suspected",
  "ok",
] as const;
export type ModelState = (typeof MODEL_STATES)[number];

/** A model as `status` and `model list` show it. null: its source did not answer. */
export interface ModelStatus {
  model: string;
  state: ModelState;
  /** Why the state is not `ok`, in words; null: it is. */
  cause: string | null;
  trouble: Trouble | null;
  operatorPause: OperatorPause | null;
  /** When the next request tries a paused model, Unix milliseconds; null: it is not paused. */
  nextProbeAtMs: number | null;
  /** Users whose requests alone meet trouble. */
  usersInTrouble: number | null;
  /** Requests without an end, those under way included. */
  open: number | null;
  parked: number | null;
  ready: number | null;
  /** Age of the oldest open request. */
  oldestMs: number | null;
  ratePerSecond: number | null;
  /** When the last of those that wait now would start, by the measured rate; null: nobody knows. */
  lastStartsInMs: number | null;
  /** Workers that can call it, and what they may run and do run. */
  workers: number | null;
  limit: number | null;
  underWay: number | null;
}

/** The models of the configuration in its order, then those that it no longer has. */
export function modelStatuses(readings: Readings, config: Pick<Config, "models">): ModelStatus[] {
  const store = readings.postgres.ok ? readings.postgres.reading : null;
  const configured = Object.keys(config.models);
  const others = [
    ...(store?.waiting.map(({ model }) => model) ?? []),
    ...(store?.pauses.keys() ?? []),
  ];
  return [...new Set([...configured, ...others])].map((model) =>
    statusOf(model, readings, config.models[model]),
  );
}

function statusOf(
  model: string,
  { atMs, postgres, redis, broker }: Readings,
  config: Config["models"][string] | undefined,
): ModelStatus {
  const store = postgres.ok ? postgres.reading : null;
  const shared = redis.ok ? redis.reading : null;
  const lane = shared?.view?.models[model];
  const health = shared?.healths.get(model) ?? null;
  const work = shared === null ? null : workOf(model, shared.workers);
  const operatorPause = (store === null ? lane?.operatorPause : store.pauses.get(model)) ?? null;
  const waiting = store?.waiting.find((one) => one.model === model);
  const parked = store === null ? (lane?.parked ?? null) : (store.parked.get(model) ?? 0);
  const ready = broker.ok ? (broker.reading.ready.get(model) ?? null) : (lane?.ready ?? null);
  const pause = health?.health.pause ?? null;
  const judged = judge({ config, operatorPause, health, work, keyVariable: config?.api_key_env });
  const isHeld = operatorPause !== null || pause !== null;
  return {
    model,
    ...judged,
    trouble: pause?.cause ?? null,
    operatorPause,
    // By the clock of Redis, whose distance from ours does not matter to a difference.
    nextProbeAtMs:
      pause === null || health === null ? null : atMs + Math.max(0, pause.untilMs - health.atMs),
    usersInTrouble: health === null ? null : troubled(health),
    open: store === null ? null : (waiting?.requests ?? 0),
    parked,
    ready,
    oldestMs: waiting === undefined ? null : Math.max(0, atMs - waiting.oldestCreatedAtMs),
    ratePerSecond: lane?.ratePerSecond ?? null,
    lastStartsInMs: isHeld ? null : startsIn((parked ?? 0) + (ready ?? 0), lane?.ratePerSecond),
    workers: work?.callable ?? null,
    limit: work?.limit ?? null,
    underWay: work?.underWay ?? null,
  };
}

function startsIn(waiting: number, ratePerSecond: number | undefined): number | null {
  if (waiting === 0) return 0;
  return ratePerSecond === undefined || ratePerSecond <= 0
    ? null
    : Math.round((waiting / ratePerSecond) * 1_000);
}

interface Work {
  /** Workers that give a sign of life, and those of them that can call the model. */
  alive: number;
  callable: number;
  limit: number;
  underWay: number;
  keyMissing: number;
}

function workOf(model: string, workers: SharedReading["workers"]): Work {
  const mine = workers.flatMap(({ models }: WorkerNote) => models[model] ?? []);
  const callable = mine.filter(({ problem }) => problem === null);
  return {
    alive: workers.length,
    callable: callable.length,
    limit: callable.reduce((sum, { limit }) => sum + limit, 0),
    underWay: mine.reduce((sum, { underWay }) => sum + underWay, 0),
    keyMissing: mine.length - callable.length,
  };
}

/** Users with a pause of their own. */
function troubled({ health: { users } }: DatedHealth): number {
  return Object.values(users).filter(({ pauseMs }) => pauseMs > 0).length;
}

interface Facts {
  config: Config["models"][string] | undefined;
  operatorPause: OperatorPause | null;
  health: DatedHealth | null;
  work: Work | null;
  keyVariable: string | undefined;
}

/** The state, and why. What nobody could be asked about counts as fine. */
function judge(facts: Facts): Pick<ModelStatus, "state" | "cause"> {
  const { config, operatorPause, work, keyVariable } = facts;
  const { health, atMs } = facts.health ?? { health: HEALTHY, atMs: 0 };
  if (config === undefined)
    return { state: "removed", cause: "the configuration does not have it" };
  if (operatorPause !== null) {
    const { by, reason } = operatorPause;
    return { state: "paused_by_operator", cause: `by ${by}: ${reason}` };
  }
  if (health.pause !== null)
    return { state: "paused", cause: `${TROUBLES[health.pause.cause]}: ${health.pause.message}` };
  if (work?.callable === 0) {
    if (work.keyMissing > 0)
      return { state: "key_missing", cause: `no worker has ${keyVariable ?? "its key"}` };
    const cause = work.alive === 0 ? "no worker runs" : "no worker that runs knows it";
    return { state: "no_worker", cause };
  }
  const suspicion = suspicionOf(health, atMs);
  if (suspicion === null) return { state: "ok", cause: null };
  const { failures, message } = suspicion;
  return {
    state: "suspected",
    cause: `${failures} failures of its only caller and no success: ${message}`,
  };
}

/** What is wrong with an ML service, for people. */
export const TROUBLES: Readonly<Record<Trouble, string>> = {
  unreachable: "cannot be reached",
  busy: "is busy",
  unavailable: "is not available",
  refused: "refuses us",
  failing: "fails",
};
