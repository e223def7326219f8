import type { UserCount } from "../../adapters/postgres/who-fills.ts";
import type { WorkerNote } from "../../core/queue/lane.ts";
import type { Condition } from "./conditions.ts";
import type { ModelStatus } from "./model-states.ts";
import type { Readings } from "./reading.ts";

const instant = (atMs: number): string => new Date(atMs).toISOString();
const seconds = (ms: number | null): number | null => (ms === null ? null : Math.round(ms / 1_000));

/** A model as `--json` prints it. null: not known, because its source does not answer. */
export const modelJson = (status: ModelStatus) => ({
  model: status.model,
  state: status.state,
  cause: status.cause,
  trouble: status.trouble,
  operator_pause:
    status.operatorPause === null
      ? null
      : {
          by: status.operatorPause.by,
          reason: status.operatorPause.reason,
          since: instant(status.operatorPause.atMs),
        },
  next_probe_at: status.nextProbeAtMs === null ? null : instant(status.nextProbeAtMs),
  users_in_trouble: status.usersInTrouble,
  open: status.open,
  parked: status.parked,
  ready: status.ready,
  oldest_seconds: seconds(status.oldestMs),
  rate_per_second: status.ratePerSecond,
  last_starts_in_seconds: seconds(status.lastStartsInMs),
  workers: status.workers,
  limit: status.limit,
  under_way: status.underWay,
});

const userJson = ({ userId, name, email, requests, tokens }: UserCount) => ({
  user_id: userId,
  name,
  email,
  requests,
  tokens,
});

const workerJson = ({ workerId, host, models }: WorkerNote) => ({
  worker_id: workerId,
  host,
  models: Object.fromEntries(
    Object.entries(models).map(([model, { problem, limit, underWay }]) => [
      model,
      { problem, limit, under_way: underWay },
    ]),
  ),
});

/** All of a status; a part whose server does not answer is null. */
export function statusJson(
  { atMs, postgres, redis, broker }: Readings,
  models: readonly ModelStatus[],
  conditions: readonly Condition[],
) {
  const store = postgres.ok ? postgres.reading : null;
  return {
    at: instant(atMs),
    is_fine: conditions.every(({ kind }) => kind === "note"),
    conditions,
    servers: {
      postgres: postgres.ok ? "ok" : postgres.reason,
      redis: redis.ok ? "ok" : redis.reason,
      amqp: broker.ok ? "ok" : broker.reason,
    },
    models: models.map(modelJson),
    workers: redis.ok ? redis.reading.workers.map(workerJson) : null,
    most_open:
      store === null
        ? null
        : store.mostOpen.map(({ oldestCreatedAtMs, ...user }) => ({
            ...userJson(user),
            oldest_seconds: seconds(Math.max(0, atMs - oldestCreatedAtMs)),
          })),
    most_billed_today: store === null ? null : store.mostBilledToday.map(userJson),
    dead_letters: broker.ok ? broker.reading.dead : null,
    outbox: store === null ? null : store.outbox,
    gateways: store === null ? null : store.gateways,
    has_keeper: store === null ? null : store.hasKeeper,
  };
}
