import { topology } from "../../adapters/amqp/topology.ts";
import { createQuotaGate } from "../../adapters/quota/quota-gate.ts";
import { Fault } from "../../core/faults.ts";
import { silentLog } from "../../runtime/log.ts";
import { parseConfig } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { silentMetrics } from "../../core/metrics.ts";
import type { QuotaSnapshot, QuotaTruth, Settlement } from "../../core/quota/quota.ts";
import type { Finish } from "../../core/request/finish.ts";
import { API_KEY_RANDOM_BYTES, formatApiKey } from "../../core/api-key.ts";
import { createFakeClock, type FakeClock } from "./clock.ts";
import { createFakeBroker } from "./fakes/broker.ts";
import { createFakeHints } from "./fakes/hints.ts";
import { createFakeKeyCache } from "./fakes/key-cache.ts";
import { createFakeKeyStore } from "./fakes/key-store.ts";
import { createFakeLanes } from "./fakes/lanes.ts";
import { createFakeMessages, type FakeMessage } from "./fakes/messages.ts";
import { createFakeModelHealth } from "./fakes/model-health.ts";
import { createFakeQuota } from "./fakes/quota.ts";
import { storedOf } from "./fakes/request-rows.ts";
import { createFakeRequestStore, type FakeRequestStore } from "./fakes/request-store.ts";
import { createFakeServer } from "./fakes/server.ts";
import { createFakeSignals } from "./fakes/signals.ts";
import { limitsOf } from "./quota-samples.ts";
import { endOf, PUBLISHER, rowOf } from "./stored-rows.ts";
import type { ParkedRef } from "../../core/queue/lane.ts";
import { createGateway } from "../../gateway/gateway.ts";
import type { GatewayPorts } from "../../gateway/ports.ts";
import type { KeyRecord, KeyScopes } from "../../core/key-record.ts";
import type { NewRequest, OutboxNote, StoredRequest } from "../../core/request/stored-request.ts";

/** Unix milliseconds at which the fake world starts: 2026-11-21T12:00:00Z. */
const START_MS = Date.UTC(2026, 10, 21, 12);

export const testConfig = (gateway: Partial<Config["gateway"]>): Config =>
  parseConfig(
    {
      postgres: { url: "postgres://localhost/x" },
      redis: { url: "redis://localhost" },
      amqp: { url: "amqp://localhost" },
      secrets: { encryption_keys: "k1:x", key_pepper: "p".repeat(32) },
      default_tier: "standard",
      tiers: { standard: { daily: {}, monthly: {} } },
      default_model: "small",
      models: {
        small: {
          protocol: "openai-chat",
          url: "http://localhost",
          output_tokens_max: 1_000,
          prompt_tokens_max: 1_000,
        },
      },
      gateway,
    },
    {},
  );

/** A quota with this much left today, as Redis would show it. */
export function snapshotWith(used: number, limit: number | null): QuotaSnapshot {
  const open = {
    limit: { requests: null, tokens: null },
    used: { requests: 0, tokens: 0 },
    held: { requests: 0, tokens: 0 },
  };
  return {
    atMs: START_MS,
    day: "2026-11-21",
    windows: {
      daily: {
        limit: { requests: null, tokens: limit },
        used: { requests: 1, tokens: used },
        held: { requests: 0, tokens: 0 },
      },
      monthly: open,
    },
    openRequests: 0,
    concurrentRequests: null,
    failedExecutions: { daily: { limit: null, used: 0 }, monthly: { limit: null, used: 0 } },
  };
}

/** Ports in place of those of the fakes, which may use the store. */
type Overrides = Partial<GatewayPorts> | ((store: FakeRequestStore) => Partial<GatewayPorts>);

/** The gateway among fakes: what it asked for is recorded, and ports can be replaced. */
export function createFakeGateway(
  overrides: Overrides = {},
  gatewayConfig: Partial<Config["gateway"]> = {},
  scopes: Partial<KeyScopes> = {},
) {
  const key = formatApiKey(new Uint8Array(API_KEY_RANDOM_BYTES).fill(7));
  const config = testConfig({ gather_ms: 0, ...gatewayConfig });
  const clock = createFakeClock(START_MS);
  const { postgres, redis, broker, ...fakes } = createFakes(clock);
  const { store, quota, gate, hints, signals, keyCache, keys, messages, lanes, health } = fakes;
  keys.add(hashOf(key), {
    keyId: "key-1",
    userId: "user-1",
    expiresAtMs: null,
    models: null,
    routes: null,
    ...scopes,
  });
  let ids = 0;
  const world = {
    key,
    keys,
    store,
    signals,
    broker,
    admitted: [] as string[],
    settled: [] as Settlement[],
    cancelled: [] as string[],
    cancelsAnnounced: [] as string[],
    finishes: [] as Finish[],
    rows: [] as NewRequest[],
    published: [] as QueuedRequest[],
    discarded: [] as string[],
    unparked: [] as string[],
    /** What the dispatcher was told, one announcement each. */
    announced: [] as ParkedRef[][],
    notes: [] as OutboxNote[],
    /** The requests in PostgreSQL, in the form in which they are read. */
    stored: {
      set: (_: string, request: StoredRequest): void => store.put(rowOf(request), endOf(request)),
      get: (requestId: string): StoredRequest | undefined => {
        const row = store.row(requestId);
        return row && storedOf(row);
      },
    },
    /** Revokes the key as the operator's command does, and then tells it. */
    revokeKey: async (): Promise<void> => {
      keys.revoke("key-1");
      await keyCache.delete(hashOf(key).toString("base64url"));
    },
    announceKeyChange: (): Promise<void> =>
      signals.announceKeyChange(hashOf(key).toString("base64url")),
  };

  const ports: GatewayPorts = {
    ...store,
    ...signals,
    ...messages.gateway,
    publisherId: PUBLISHER,
    config: () => config,
    metrics: silentMetrics(),
    log: silentLog,
    now: clock.now,
    schedule: clock.schedule,
    newId: () => `00000000-0000-7000-8000-${String(++ids).padStart(12, "0")}`,
    reach: () => {},
    hashKey: hashOf,
    readCachedKey: keyCache.get,
    cacheKey: keyCache.set,
    readStoredKeys: keys.readStoredKeys,
    readKeyChanges: keys.readKeyChanges,
    countTokens: (text) => text.length,
    admit: (admission) => {
      world.admitted.push(admission.requestId);
      return gate.admitOrRebuild(admission);
    },
    readQuota: gate.readOrRebuild,
    settle: (settlements) => {
      world.settled.push(...settlements);
      return quota.settle(settlements);
    },
    seal: (content) => content,
    open: (sealed) => sealed,
    insertRequests: (rows) => {
      world.rows.push(...rows);
      return store.insertRequests(rows);
    },
    discardRequests: (requestIds) => {
      world.discarded.push(...requestIds);
      return store.discardRequests(requestIds);
    },
    finishRequests: async (wanted) => {
      const replies = await store.finishRequests(wanted);
      const hasMoved = (_: Finish, i: number): boolean => {
        const reply = replies[i];
        return reply !== undefined && reply !== "unknown" && reply.moved;
      };
      world.finishes.push(...wanted.filter(hasMoved));
      return replies;
    },
    deleteParked: (requestIds) => {
      world.unparked.push(...requestIds);
      return store.deleteParked(requestIds);
    },
    readHints: hints.read,
    readDeltas: async (asked) => asked.map(() => []),
    readLanes: lanes.readView,
    readHealth: health.read,
    readWorkers: lanes.readWorkers,
    announceParked: (parked) => {
      world.announced.push([...parked]);
      return signals.announceParked(parked);
    },
    markCancelled: (request) => {
      world.cancelled.push(request.requestId);
      return hints.markCancelled(request);
    },
    announceCancel: (requestId) => {
      world.cancelsAnnounced.push(requestId);
      return signals.announceCancel(requestId);
    },
    publish: (request) => {
      world.published.push(request);
      return messages.gateway.publish(request);
    },
    notePublisher: (note) => {
      world.notes.push(note);
      return store.notePublisher({ publisherId: PUBLISHER, host: "host", ...note });
    },
    ...(typeof overrides === "function" ? overrides(store) : overrides),
  };
  const gateway = createGateway(ports, {
    version: "test",
    readiness: async () => ({ postgres: !postgres.isAway, redis: !redis.isAway }),
  });

  return {
    ...world,
    gateway,
    advance: clock.advance,
    call: (
      method: string,
      path: string,
      init: { body?: unknown; headers?: Record<string, string>; raw?: string } = {},
    ) => {
      const headers: Record<string, string> = { authorization: `Bearer ${key}`, ...init.headers };
      const body = init.raw ?? (init.body === undefined ? undefined : JSON.stringify(init.body));
      if (body !== undefined) headers["content-type"] ??= "application/json";
      return gateway.app.handle(
        new Request(`http://localhost${path}`, {
          method,
          headers,
          ...(body === undefined ? {} : { body }),
        }),
      );
    },
  };
}

const hashOf = (text: string): Buffer => Buffer.from(text);

/** The servers behind the ports. A user may use a million tokens a day. */
function createFakes(clock: FakeClock) {
  const { now } = clock;
  const postgres = createFakeServer("STORE_UNAVAILABLE");
  const redis = createFakeServer("QUOTA_UNAVAILABLE");
  const queues = topology({ prefix: "", defaultModel: "small", models: [], retryDelaysMs: [] });
  const broker = createFakeBroker<FakeMessage>(clock, queues.queues);
  const hints = createFakeHints({ server: redis, now });
  const quota = createFakeQuota({ server: redis, now, forgetMark: hints.forget });
  const readTruth = async (): Promise<QuotaTruth> => ({ limits: LIMITS, days: [], holds: [] });
  return {
    postgres,
    redis,
    broker,
    messages: createFakeMessages(broker, queues),
    store: createFakeRequestStore({ server: postgres, now }),
    keys: createFakeKeyStore(postgres),
    hints,
    quota,
    gate: createQuotaGate({ ...quota, readTruth }),
    signals: createFakeSignals(redis),
    lanes: createFakeLanes({ server: redis, now }),
    health: createFakeModelHealth({ server: redis, now }),
    keyCache: createFakeKeyCache<KeyRecord>({ server: redis, now }),
  };
}

const LIMITS = limitsOf({ dailyTokens: 1_000_000 });

export const storeDown = (): Promise<never> =>
  Promise.reject(new Fault("STORE_UNAVAILABLE", "the store does not answer"));

/** A stored request in a state, owned by the fake user. */
export function storedRequest(
  requestId: string,
  patch: Partial<StoredRequest> = {},
): StoredRequest {
  return {
    requestId,
    userId: "user-1",
    model: "small",
    state: "queued",
    estimatedTokens: 100,
    promptTokens: null,
    completionTokens: null,
    totalTokens: null,
    attempts: 0,
    createdAtMs: START_MS,
    startedAtMs: null,
    completedAtMs: null,
    errorCode: null,
    errorMessage: null,
    metadata: null,
    result: null,
    errorDetail: null,
    ...patch,
  };
}

/** The body of an error answer. Throws when it is no problem document. */
export async function problemOf(
  response: Response,
): Promise<{ status: number; code: string; errors?: { field: string; message: string }[] }> {
  const type = response.headers.get("content-type");
  if (type !== "application/problem+json") throw new Error(`not a problem document: ${type}`);
  return (await response.json()) as { status: number; code: string };
}
