import type { ReachCrashPoint } from "../runtime/crash-points.ts";
import type { StartedHint } from "../core/attempt/start.ts";
import type { KeyRecord } from "../core/key-record.ts";
import type { Config } from "../core/config/schema.ts";
import type { Finish, FinishReply } from "../core/finish.ts";
import type { Log } from "../runtime/log.ts";
import type { QueuedRequest } from "../core/messages.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Admission, QuotaSnapshot, QuotaUse, Settlement } from "../core/quota/quota.ts";
import type {
  InsertOutcome,
  ListQuery,
  ListedRequest,
  NewRequest,
  Replay,
  RequestRef,
  SealedField,
  StoredRequest,
  WaitingModel,
} from "../core/stored-request.ts";
import type { Usage, UsageQuery } from "../core/usage.ts";

/** A caller who has shown a valid key. */
export interface Principal {
  keyId: string;
  userId: string;
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
  /** One query for all; answers in order. */
  readStoredKeys: (keyHashes: Buffer[]) => Promise<(KeyRecord | undefined)[]>;
  onKeyChange: (listener: (keyHash: string) => void) => void;

  countTokens: (text: string) => number | Promise<number>;
  /** Takes a hold or refuses; rebuilds a user that Redis does not know. */
  admit: (admission: Admission) => Promise<{ admitted: boolean; snapshot: QuotaUse }>;
  /** The state of a user's windows; takes nothing, rebuilds likewise. */
  readQuota: (userId: string) => Promise<QuotaSnapshot>;
  settle: (settlements: Settlement[]) => Promise<unknown>;
  seal: (content: Uint8Array, head: RequestRef, field: SealedField) => Uint8Array;
  open: (sealed: Uint8Array, head: RequestRef, field: SealedField) => Uint8Array;

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
  findRequests: (lookups: RequestRef[]) => Promise<(StoredRequest | undefined)[]>;
  /** One page, newest first. */
  listRequests: (query: ListQuery) => Promise<ListedRequest[]>;
  readStarted: (lookups: RequestRef[]) => Promise<(StartedHint | undefined)[]>;
  /** From now on no worker starts the request. */
  markCancelled: (lookup: RequestRef) => Promise<void>;
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
