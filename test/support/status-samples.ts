import { parseConfig } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import type { ModelLane, WorkerNote } from "../../core/queue/lane.ts";
import { HEALTHY, type ModelHealth } from "../../core/queue/model-health.ts";
import type {
  BrokerReading,
  Readings,
  SharedReading,
  StoreReading,
} from "../../cli/status/reading.ts";
import type { WaitingModel } from "../../core/request/stored-request.ts";

/** When everything was read. */
export const AT_MS = Date.parse("2026-11-27T12:00:00Z");

export const config: Config = parseConfig(
  {
    models: {
      fast: { protocol: "openai-chat", url: "http://localhost:8000/v1", api_key_env: "FAST_KEY" },
      slow: { protocol: "openai-chat", url: "http://localhost:8001/v1" },
    },
    default_model: "fast",
    tiers: { standard: {} },
    default_tier: "standard",
  },
  {
    DATABASE_URL: "postgres://localhost/t",
    REDIS_URL: "redis://localhost",
    AMQP_URL: "amqp://localhost",
    TOLLGATE_SECRETS__ENCRYPTION_KEYS: "k1:x",
    TOLLGATE_SECRETS__KEY_PEPPER: "p".repeat(32),
  },
);

const LANE: ModelLane = {
  mode: "direct",
  allowance: 10,
  ready: 0,
  parked: 0,
  ratePerSecond: 5,
  users: 0,
  weights: 0,
  operatorPause: null,
};

export const WORKER: WorkerNote = {
  workerId: "w1",
  host: "node-1",
  atMs: AT_MS,
  models: {
    fast: { problem: null, limit: 8, underWay: 3, ended: 0 },
    slow: { problem: null, limit: 2, underWay: 0, ended: 0 },
  },
};

export interface World {
  store?: Partial<StoreReading>;
  shared?: Partial<Omit<SharedReading, "healths">> & { healths?: Record<string, ModelHealth> };
  broker?: Partial<BrokerReading>;
}

/** A system in which nothing is wrong, but for what is given. */
export function readingsOf({ store, shared, broker }: World = {}): Readings {
  const healths = Object.entries(shared?.healths ?? {});
  return {
    atMs: AT_MS,
    postgres: {
      ok: true,
      reading: {
        waiting: [],
        parked: new Map(),
        pauses: new Map(),
        mostOpen: [],
        mostBilledToday: [],
        outbox: 0,
        gateways: 2,
        hasKeeper: true,
        tiers: [{ tier: "standard", users: 3, isKnown: true }],
        ...store,
      },
    },
    redis: {
      ok: true,
      reading: {
        view: { atMs: AT_MS - 500, models: { fast: LANE, slow: LANE } },
        workers: [WORKER],
        ...shared,
        // By a clock that is an hour ahead of ours.
        healths: new Map(
          healths.map(([model, health]) => [model, { health, atMs: AT_MS + 3_600_000 }]),
        ),
      },
    },
    broker: {
      ok: true,
      reading: {
        ready: new Map([
          ["fast", 0],
          ["slow", 0],
        ]),
        dead: { requests: 0, results: 0 },
        ...broker,
      },
    },
  };
}

/** Of a model whose service refuses us. */
export const PAUSED: ModelHealth = {
  ...HEALTHY,
  pause: {
    cause: "refused",
    message: "status 401",
    sinceMs: AT_MS,
    pauseMs: 8_000,
    untilMs: AT_MS + 3_600_000 + 8_000,
    probe: null,
  },
};

export const waiting = (model: string, requests: number, ageMs: number): WaitingModel => ({
  model,
  requests,
  tokens: 10 * requests,
  oldestCreatedAtMs: AT_MS - ageMs,
});
