import type { AttemptHints } from "../core/attempt/start.ts";
import type { Config } from "../core/config/schema.ts";
import type { Finish, FinishReply } from "../core/request/finish.ts";
import type { CallClaim, CallEnd, CallState } from "../core/request/call.ts";
import type { DeltaEntry } from "../core/request/delta-entry.ts";
import type { KeyChanges, KeyRecord, KeyScopes } from "../core/key-record.ts";
import type { QueuedRequest } from "../core/request/messages.ts";
import type { Metrics } from "../core/metrics.ts";
import type { LaneView, ParkedRef, WorkerNote } from "../core/queue/lane.ts";
import type { DatedHealth } from "../core/queue/model-health.ts";
import type { OwnPlace, Work } from "../core/queue/waiting.ts";
import type { Admission, QuotaSnapshot, QuotaUse, Settlement } from "../core/quota/quota.ts";
import type {
  Idempotency,
  InsertOutcome,
  ListedRequest,
  ListQuery,
  NewRequest,
  OutboxNote,
  Replay,
  RequestRef,
  SealedField,
  StoredRequest,
  WaitingModel,
} from "../core/request/stored-request.ts";
import type { Usage, UsageQuery } from "../core/quota/usage.ts";
import type { ReachCrashPoint } from "../runtime/crash-points.ts";
import type { Log } from "../runtime/log.ts";
import type { Schedule } from "../runtime/schedule.ts";

/** A caller who has shown a valid key. */
export interface Principal extends KeyScopes {
  keyId: string;
  userId: string;
  /** null: the default tier. */
  tier: string | null;
}

/**
 * All that the gateway needs from outside, as functions. Each has a time limit of its own and throws
 * `Fault`s.
 */
export interface GatewayPorts {
  /** Identity of this process towards the keeper, a UUID; new at every start. */
  publisherId: string;
  config: () => Config;
  metrics: Metrics;
  log: Log;
  /** Unix milliseconds. */
  now: () => number;
  schedule: Schedule;
  /** Makes a UUIDv7 for the given time; never smaller than the one before. */
  newId: (atMs: number) => string;
  reach: ReachCrashPoint;

  /** Makes the keyed hash of an API key or an idempotency key. */
  hashKey: (text: string) => Buffer;
  readCachedKey: (keyHash: string) => Promise<KeyRecord | undefined>;
  cacheKey: (keyHash: string, record: KeyRecord) => Promise<void>;
  /** Reads all by one query; returns them in order. */
  readStoredKeys: (keyHashes: Buffer[]) => Promise<(KeyRecord | undefined)[]>;
  /**
   * Which keys changed since the reading that returned `horizon`, at most `limit`; some may be told again.
   * null: within the last `sinceMs`.
   */
  readKeyChanges: (query: {
    horizon: string | null;
    sinceMs: number;
    limit: number;
  }) => Promise<KeyChanges>;
  onKeyChange: (listener: (keyHash: string) => void) => void;

  countTokens: (text: string) => number | Promise<number>;
  /** Takes a hold or refuses; rebuilds a user whom Redis does not know. */
  admit: (admission: Admission) => Promise<{ admitted: boolean; snapshot: QuotaUse }>;
  /** Reads the state of a user's windows; takes nothing, rebuilds likewise. */
  readQuota: (userId: string) => Promise<QuotaSnapshot>;
  settle: (settlements: Settlement[]) => Promise<unknown>;
  seal: (content: Uint8Array, head: RequestRef, field: SealedField) => Uint8Array;
  open: (sealed: Uint8Array, head: RequestRef, field: SealedField) => Uint8Array;

  /** Whether a user has used an idempotency key before, and with which body. */
  findReplay: (lookup: { userId: string } & Idempotency) => Promise<Replay | undefined>;
  /** Claims the request that an earlier try of a call made; asked again while it is held. */
  claimCall: (claim: Omit<CallClaim, "holder">) => Promise<CallState>;
  /** Nobody waits here any more for the request of a call. */
  letGoCall: (end: CallEnd) => Promise<void>;
  isCallHeld: (lookup: RequestRef) => Promise<boolean>;
  insertRequests: (rows: NewRequest[]) => Promise<InsertOutcome[]>;
  isDataFault: (error: unknown) => boolean;
  /**
   * Removes queued rows whose callers were refused after an insert with an unknown end, and returns the ids
   * that stay stored: what has an idempotency key is kept, because a replay may have been accepted for it.
   */
  discardRequests: (requestIds: string[]) => Promise<string[]>;
  /**
   * Reads queued requests again for publishing, content and all; leaves out those that have ended, and those
   * that are parked.
   */
  readQueued: (requestIds: string[]) => Promise<QueuedRequest[]>;
  findRequests: (lookups: RequestRef[]) => Promise<(StoredRequest | undefined)[]>;
  /** Reads one page, newest first. */
  listRequests: (query: ListQuery) => Promise<ListedRequest[]>;
  /** In order; undefined: not parked. */
  parkedPlaces: (requestIds: readonly string[]) => Promise<(OwnPlace | undefined)[]>;
  /** What each of these users has parked at a model, in order. */
  parkedWork: (lines: readonly { model: string; userId: string }[]) => Promise<Work[]>;
  /** Takes requests that have ended out of the parked ones. */
  deleteParked: (requestIds: readonly string[]) => Promise<void>;
  /** What came behind a position of the pieces of each request, in order; some of it, where there is much. */
  readDeltas: (asked: readonly (RequestRef & { after: string })[]) => Promise<DeltaEntry[][]>;
  /** All that is known of attempts, in order. */
  readHints: (lookups: readonly RequestRef[]) => Promise<AttemptHints[]>;
  /** From then on no worker starts the request. */
  markCancelled: (lookup: RequestRef) => Promise<void>;
  /** Tells the worker that executes the request, best effort. */
  announceCancel: (requestId: string) => Promise<void>;
  finishRequests: (finishes: Finish[]) => Promise<FinishReply[]>;
  /** Reads what the ledger has of a user, in the order of the key; leaves out days without a bill. */
  readUsage: (query: UsageQuery) => Promise<Usage[]>;
  waitingByModel: () => Promise<WaitingModel[]>;

  /** What the dispatcher says of every model; undefined: nothing. */
  readLanes: () => Promise<LaneView | undefined>;
  /** In order. */
  readHealth: (models: readonly string[]) => Promise<DatedHealth[]>;
  /** Workers that gave a sign of life lately. */
  readWorkers: () => Promise<WorkerNote[]>;
  /** Tells the dispatcher whose requests were parked, best effort. */
  announceParked: (parked: readonly ParkedRef[]) => Promise<void>;

  /** To the queue of its model; resolves when the broker has confirmed. */
  publish: (request: QueuedRequest) => Promise<void>;
  /** Whether the broker takes messages at present. */
  brokerUp: () => boolean;
  notePublisher: (note: OutboxNote) => Promise<void>;

  /** Wakes all who wait for these requests, at any gateway; best effort. */
  announceFinished: (requestIds: string[]) => Promise<void>;
  onFinished: (listener: (requestIds: string[]) => void) => void;
  /** Tells all gateways of a call whose stream broke off; best effort. */
  announceBroken: (call: string) => Promise<void>;
  onBroken: (listener: (call: string) => void) => void;
  /** Called after a reconnect of the wake-up subscription: wake-ups may have been lost. */
  onResubscribed: (listener: () => void) => void;
}
