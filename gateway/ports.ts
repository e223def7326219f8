import { type Static, Type } from "@sinclair/typebox";

import type { ReachCrashPoint } from "../core/crash-points.ts";
import type { Config } from "../core/config/schema.ts";
import type { Finish, FinishReply } from "../core/finish.ts";
import type { Log } from "../core/log.ts";
import type { QueuedRequest } from "../core/messages.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Admission, QuotaSnapshot, Settlement } from "../core/quota/quota.ts";
import type { DurableState, RequestHead } from "../core/request.ts";

/** An API key as the gateway needs it; a schema, because it is read back from a cache. */
export const KeyRecord = Type.Object({
  keyId: Type.String(),
  userId: Type.String(),
  userActive: Type.Boolean(),
  expiresAtMs: Type.Union([Type.Number(), Type.Null()]),
});
export type KeyRecord = Static<typeof KeyRecord>;

/** A caller who has shown a valid key. */
export interface Principal {
  keyId: string;
  userId: string;
}

/** A request as it is stored on acceptance. Content is sealed. */
export interface NewRequest {
  head: RequestHead;
  /** The gateway process that has to publish it. */
  publisherId: string;
  prompt: Uint8Array;
  metadata: Uint8Array | null;
  /** The row is stored only before this, Unix milliseconds: a server that wakes up late must not store what was refused. */
  acceptUntilMs: number;
  idempotency: { keyHash: Uint8Array; fingerprint: Uint8Array } | null;
}

/** The request that an idempotency key already stands for. */
export interface Replay {
  requestId: string;
  sameBody: boolean;
}

export type InsertOutcome = { kind: "stored" } | ({ kind: "replay" } & Replay) | { kind: "late" };

/** A request as it is read back. Content is sealed. */
export interface StoredRequest {
  requestId: string;
  userId: string;
  model: string;
  state: DurableState;
  estimatedTokens: number;
  promptTokens: number | null;
  completionTokens: number | null;
  totalTokens: number | null;
  attempts: number;
  createdAtMs: number;
  startedAtMs: number | null;
  completedAtMs: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  metadata: Uint8Array | null;
  result: Uint8Array | null;
}

/** A worker's note that it has begun an attempt: makes a queued request `in_progress`. */
export interface StartedHint {
  attempt: number;
  startedAtMs: number;
}

export interface RequestLookup {
  requestId: string;
  userId: string;
}

/** A request in a list: all but its result. */
export type ListedRequest = Omit<StoredRequest, "result">;

export interface ListQuery {
  userId: string;
  /** undefined: all. */
  state: DurableState | undefined;
  /** Only requests older than this one; undefined: from the newest on. */
  before: string | undefined;
  limit: number;
}

export interface UsageQuery {
  userId: string;
  /** First and last UTC day, both included, `YYYY-MM-DD`. */
  from: string;
  to: string;
  by: "day" | "model";
}

/** What the ledger has under one day or model. */
export interface Usage {
  key: string;
  requests: number;
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
}

/** Parts of a record that are sealed apart; the name is bound into the seal. */
export type SealedField = "prompt" | "metadata" | "result";

/** Work that waits or runs. */
export interface WaitingModel {
  model: string;
  requests: number;
  tokens: number;
  oldestCreatedAtMs: number;
}

/** What one gateway has not had confirmed yet, noted for the keeper. */
export interface PublisherNote {
  /** All of this gateway's requests with a smaller id are confirmed by the broker. */
  confirmedThrough: string;
  unconfirmed: number;
}

/** Everything the gateway needs from outside, as functions. Each has a time limit of its own and throws `Fault`s. */
export interface GatewayPorts {
  /** Identity of this process towards the keeper, a UUID; new at every start. */
  publisherId: string;
  config: () => Config;
  metrics: Metrics;
  log: Log;
  /** Unix milliseconds. */
  now: () => number;
  /** Calls back after `ms`; answers how to call it off. */
  schedule: (callback: () => void, ms: number) => () => void;
  /** A new UUIDv7 for the given time; never smaller than the one before. */
  newId: (atMs: number) => string;
  reach: ReachCrashPoint;

  /** Keyed hash of an API key or an idempotency key. */
  hashKey: (text: string) => Buffer;
  readCachedKey: (keyHash: string) => Promise<KeyRecord | undefined>;
  cacheKey: (keyHash: string, record: KeyRecord) => Promise<void>;
  readStoredKey: (keyHash: Buffer) => Promise<KeyRecord | undefined>;
  onKeyChange: (listener: (keyHash: string) => void) => void;

  countTokens: (text: string) => number | Promise<number>;
  /** Takes a hold or refuses; rebuilds a user that Redis does not know. */
  admit: (admission: Admission) => Promise<{ admitted: boolean; snapshot: QuotaSnapshot }>;
  /** The state of a user's windows; takes nothing, rebuilds likewise. */
  readQuota: (userId: string) => Promise<QuotaSnapshot>;
  settle: (settlements: Settlement[]) => Promise<unknown>;
  seal: (content: Uint8Array, head: RequestLookup, field: SealedField) => Uint8Array;
  open: (sealed: Uint8Array, head: RequestLookup, field: SealedField) => Uint8Array;

  /** Whether a user has used an idempotency key before, and with which body. */
  findReplay: (lookup: {
    userId: string;
    keyHash: Uint8Array;
    fingerprint: Uint8Array;
  }) => Promise<Replay | undefined>;
  insertRequests: (rows: NewRequest[]) => Promise<InsertOutcome[]>;
  isDataFault: (error: unknown) => boolean;
  /**
   * Removes queued rows that were refused to the caller after an insert with an unknown end, and answers the ids that are stored
   * after all: what has an idempotency key is kept, because a repeat may have been answered 202 for it.
   */
  discardRequests: (requestIds: string[]) => Promise<string[]>;
  /** Reads queued requests again for publishing, content and all; those no longer queued are left out. */
  readQueued: (requestIds: string[]) => Promise<QueuedRequest[]>;
  findRequests: (lookups: RequestLookup[]) => Promise<(StoredRequest | undefined)[]>;
  /** One page, newest first. */
  listRequests: (query: ListQuery) => Promise<ListedRequest[]>;
  readStarted: (lookups: RequestLookup[]) => Promise<(StartedHint | undefined)[]>;
  /** From now on no worker starts the request. */
  markCancelled: (lookup: RequestLookup) => Promise<void>;
  /** Tells the worker that executes the request, best effort. */
  announceCancel: (requestId: string) => Promise<void>;
  finishRequests: (finishes: Finish[]) => Promise<FinishReply[]>;
  /** What the ledger has of a user, in the order of the key; days without a bill are left out. */
  readUsage: (query: UsageQuery) => Promise<Usage[]>;
  waitingByModel: () => Promise<WaitingModel[]>;

  /** Resolves when the broker has confirmed. */
  publish: (request: QueuedRequest) => Promise<void>;
  /** Whether the broker takes messages at present. */
  brokerUp: () => boolean;
  notePublisher: (note: PublisherNote) => Promise<void>;

  /** Wakes who waits for these requests, at any gateway; best effort. */
  announceFinished: (requestIds: string[]) => Promise<void>;
  onFinished: (listener: (requestIds: string[]) => void) => void;
  /** After a reconnect of the wake-up subscription: wake-ups may have been lost. */
  onResubscribed: (listener: () => void) => void;
}
