import { queueDepths } from "../../adapters/amqp/inspect.ts";
import { hasKeeper } from "../../adapters/postgres/keeper-lock.ts";
import { readModelPauses } from "../../adapters/postgres/model-pauses.ts";
import { waitingByModel } from "../../adapters/postgres/open-requests.ts";
import { countParked } from "../../adapters/postgres/parked.ts";
import { countLivePublishers, outboxDepth } from "../../adapters/postgres/publishers.ts";
import { type TierUsers, tierUsers } from "../../adapters/postgres/tiers.ts";
import {
  mostBilledToday,
  mostOpen,
  type UserCount,
  type WaitingUser,
} from "../../adapters/postgres/who-fills.ts";
import { createLanes } from "../../adapters/redis/lanes.ts";
import { createModelHealthStore } from "../../adapters/redis/model-health.ts";
import { describeError } from "../../adapters/terminal/failure.ts";
import type { LaneView, OperatorPause, WorkerNote } from "../../core/queue/lane.ts";
import type { DatedHealth } from "../../core/queue/model-health.ts";
import type { WaitingModel } from "../../core/request/stored-request.ts";
import type { Operation } from "../operator/operate.ts";

/** What PostgreSQL knows of the state of the system. */
export interface StoreReading {
  /** Models with open requests. */
  waiting: WaitingModel[];
  parked: ReadonlyMap<string, number>;
  pauses: ReadonlyMap<string, OperatorPause>;
  mostOpen: WaitingUser[];
  mostBilledToday: UserCount[];
  /** Requests stored but not confirmed by the broker. */
  outbox: number;
  /** Gateways that gave a sign of life lately. */
  gateways: number;
  hasKeeper: boolean;
  /** The tiers that users have. */
  tiers: TierUsers[];
}

/** What Redis knows. */
export interface SharedReading {
  /** undefined: there is none. */
  view: LaneView | undefined;
  healths: ReadonlyMap<string, DatedHealth>;
  workers: WorkerNote[];
}

/** What RabbitMQ knows. */
export interface BrokerReading {
  /** Messages that nobody owns, by model; null: the model has no queue. */
  ready: ReadonlyMap<string, number | null>;
  dead: { requests: number; results: number };
}

/** What a server said, or why it did not. */
export type Reply<Reading> = { ok: true; reading: Reading } | { ok: false; reason: string };

/** Everything that a status is made of, each part as far as its server answered. */
export interface Readings {
  /** Unix milliseconds by the clock of this machine. */
  atMs: number;
  postgres: Reply<StoreReading>;
  redis: Reply<SharedReading>;
  broker: Reply<BrokerReading>;
}

const ANSWER_LIMIT_MS = 6_000;
const USERS_SHOWN = 5;
/** A gateway notes something once a second at least. */
const GATEWAY_SILENT_MS = 5_000;

/** Asks the three servers, each on its own: one that is away takes only its own part away. Never throws. */
export async function readStatus(operation: Operation): Promise<Readings> {
  const postgres = await asked(readStore(operation));
  const models = modelsOf(operation, postgres);
  const [redis, broker] = await Promise.all([
    asked(readShared(operation, models)),
    asked(readBroker(operation, models)),
  ]);
  return { atMs: Date.now(), postgres, redis, broker };
}

/** The models of the configuration, and those that it no longer has while requests of theirs are open. */
function modelsOf({ config }: Operation, postgres: Reply<StoreReading>): string[] {
  const open = postgres.ok ? postgres.reading.waiting.map(({ model }) => model) : [];
  return [...new Set([...Object.keys(config.models), ...open])];
}

async function asked<Reading>(reading: Promise<Reading>): Promise<Reply<Reading>> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no reply within ${ANSWER_LIMIT_MS / 1_000} s`)),
      ANSWER_LIMIT_MS,
    );
  });
  try {
    return { ok: true, reading: await Promise.race([reading, late]) };
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return { ok: false, reason: describeError(cause) };
  } finally {
    clearTimeout(timer);
  }
}

async function readStore({ database }: Operation): Promise<StoreReading> {
  const [waiting, parked, pauses, open, billed, outbox, gateways, keeper, tiers] =
    await Promise.all([
      waitingByModel(database),
      countParked(database),
      readModelPauses(database),
      mostOpen(database, USERS_SHOWN),
      mostBilledToday(database, USERS_SHOWN),
      outboxDepth(database),
      countLivePublishers(database, GATEWAY_SILENT_MS),
      hasKeeper(database),
      tierUsers(database),
    ]);
  return {
    waiting,
    parked,
    pauses,
    mostOpen: open,
    mostBilledToday: billed,
    outbox,
    gateways,
    hasKeeper: keeper,
    tiers,
  };
}

async function readShared(operation: Operation, models: string[]): Promise<SharedReading> {
  const redis = await operation.redis();
  const lanes = createLanes(redis);
  const [view, healths, workers] = await Promise.all([
    lanes.readView(),
    createModelHealthStore(redis).read(models),
    lanes.readWorkers(),
  ]);
  const byModel = new Map(
    healths.flatMap((health, index) => {
      const model = models[index];
      return model === undefined ? [] : [[model, health] as const];
    }),
  );
  return { view, healths: byModel, workers };
}

async function readBroker(operation: Operation, models: string[]): Promise<BrokerReading> {
  const amqp = await operation.amqp();
  const { queues } = operation;
  const queueOf = (model: string): string => queues.requestsOf(model).name;
  const dead = [queues.requestsDead.name, queues.resultsDead.name] as const;
  const depths = await queueDepths(amqp, [...models.map(queueOf), ...dead]);
  const readyOf = (name: string): number | null => depths.get(name)?.ready ?? null;
  return {
    ready: new Map(models.map((model) => [model, readyOf(queueOf(model))])),
    dead: { requests: readyOf(dead[0]) ?? 0, results: readyOf(dead[1]) ?? 0 },
  };
}
