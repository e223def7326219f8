import { Fault } from "../../core/faults.ts";
import { silentLog } from "../../runtime/log.ts";
import { parseConfig } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { silentMetrics } from "../../core/metrics.ts";
import type { QuotaSnapshot, Settlement } from "../../core/quota/quota.ts";
import { API_KEY_RANDOM_BYTES, formatApiKey } from "../../core/api-key.ts";
import { createFakeClock } from "./clock.ts";
import { createFakeRequestTable } from "./gateway/request-table.ts";
import { createGateway } from "../../gateway/gateway.ts";
import type { GatewayPorts } from "../../gateway/ports.ts";
import type { KeyRecord } from "../../core/key-record.ts";
import type { NewRequest, OutboxNote, StoredRequest } from "../../core/request/stored-request.ts";

/** Unix milliseconds at which the fake world starts: 2026-11-21T12:00:00Z. */
const START_MS = Date.UTC(2026, 10, 21, 12);

export const testConfig = (gateway: Partial<Config["gateway"]>): Config =>
  parseConfig(
    {
      postgres: { url: "postgres://x" },
      redis: { url: "redis://x" },
      amqp: { url: "amqp://x" },
      secrets: { encryption_keys: "k1:x", key_pepper: "p".repeat(32) },
      default_tier: "standard",
      tiers: { standard: { daily: {}, monthly: {} } },
      default_model: "small",
      models: {
        small: {
          protocol: "openai-chat",
          url: "http://x",
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
  };
}

/** The gateway on a world of plain values: what it asked for is recorded, what answers can be replaced. */
export function createFakeGateway(
  overrides: Partial<GatewayPorts> = {},
  gatewayConfig: Partial<Config["gateway"]> = {},
) {
  const key = formatApiKey(new Uint8Array(API_KEY_RANDOM_BYTES).fill(7));
  const config = testConfig({ gather_ms: 0, ...gatewayConfig });
  const clock = createFakeClock(START_MS);
  const table = createFakeRequestTable();
  let ids = 0;
  const world = {
    key,
    keys: new Map<string, KeyRecord>([
      [key, { keyId: "key-1", userId: "user-1", userActive: true, expiresAtMs: null }],
    ]),
    admitted: [] as string[],
    settled: [] as Settlement[],
    cancelled: [] as string[],
    cancelsAnnounced: [] as string[],
    stored: table.stored,
    finishes: table.finishes,
    rows: [] as NewRequest[],
    published: [] as QueuedRequest[],
    discarded: [] as string[],
    notes: [] as OutboxNote[],
    finished: [] as ((requestIds: string[]) => void)[],
    resubscribed: [] as (() => void)[],
    keyChanged: [] as ((keyHash: string) => void)[],
  };

  const ports: GatewayPorts = {
    publisherId: "gateway-1",
    config: () => config,
    metrics: silentMetrics(),
    log: silentLog,
    now: clock.now,
    schedule: clock.schedule,
    ...table.ports,
    newId: () => `00000000-0000-7000-8000-${String(++ids).padStart(12, "0")}`,
    reach: () => {},
    hashKey: (text) => Buffer.from(text),
    readCachedKey: async () => undefined,
    cacheKey: async () => {},
    readStoredKeys: async (hashes) => hashes.map((hash) => world.keys.get(hash.toString())),
    onKeyChange: (listener) => void world.keyChanged.push(listener),
    countTokens: (text) => text.length,
    admit: async ({ requestId }) => {
      world.admitted.push(requestId);
      return { admitted: true, snapshot: snapshotWith(0, 1_000_000) };
    },
    readQuota: async () => snapshotWith(0, 1_000_000),
    settle: async (settlements) => world.settled.push(...settlements),
    seal: (content) => content,
    open: (sealed) => sealed,
    findReplay: async () => undefined,
    insertRequests: async (rows) => {
      world.rows.push(...rows);
      return rows.map(() => ({ kind: "stored" }));
    },
    isDataFault: () => false,
    discardRequests: async (requestIds) => {
      world.discarded.push(...requestIds);
      return [];
    },
    readQueued: async () => [],
    readStarted: async (lookups) => lookups.map(() => undefined),
    markCancelled: async ({ requestId }) => void world.cancelled.push(requestId),
    announceCancel: async (requestId) => void world.cancelsAnnounced.push(requestId),
    readUsage: async () => [],
    waitingByModel: async () => [],
    publish: async (request) => void world.published.push(request),
    brokerUp: () => true,
    notePublisher: async (note) => void world.notes.push(note),
    announceFinished: async (requestIds) => {
      for (const listener of world.finished) listener(requestIds);
    },
    onFinished: (listener) => void world.finished.push(listener),
    onResubscribed: (listener) => void world.resubscribed.push(listener),
    ...overrides,
  };
  const gateway = createGateway(ports, {
    version: "test",
    readiness: async () => ({ redis: true }),
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
