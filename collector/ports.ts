import type { AttemptMark } from "../core/attempt/mark.ts";
import type { AuditPorts } from "../core/audit/audit-ports.ts";
import type { Finish, FinishReply } from "../core/request/finish.ts";
import type { QueuedRequest, QueuedResult } from "../core/request/messages.ts";
import type { Metrics } from "../core/metrics.ts";
import type { AgedHold, HoldFate, Settlement, SettleReply } from "../core/quota/quota.ts";
import type { RequestError } from "../core/request/request.ts";
import type {
  DeadOutbox,
  OutboxEntry,
  Page,
  RequestRef,
  RequestStanding,
} from "../core/request/stored-request.ts";
import type { ReachCrashPoint } from "../runtime/crash-points.ts";
import type {
  LaneView,
  OperatorPause,
  ParkedRef,
  WaitingTurn,
  WorkerNote,
} from "../core/queue/lane.ts";
import type { ModelHealth } from "../core/queue/model-health.ts";
import type { DispatchedEnd, OverdueRetry, ParkedPlace } from "../core/queue/parked.ts";
import type { Log } from "../runtime/log.ts";
import type { Schedule } from "../runtime/schedule.ts";

/** What every part of the collector needs of its process. */
export interface Process {
  /** Unix milliseconds. */
  now: () => number;
  schedule: Schedule;
  log: Log;
  metrics: Metrics;
  reach: ReachCrashPoint;
}

/** What a message of `inference_results` turned out to be. `reason`s are our own words. */
export type DecodedDelivery =
  | { kind: "result"; result: QueuedResult }
  /** A request that the broker gave up, because it kept crashing workers. */
  | { kind: "poisoned-request"; request: QueuedRequest }
  /** A newer version wrote it, whose collectors can read it. */
  | { kind: "newer"; reason: string }
  /** `what`: a request that workers could not read was given up by the broker. */
  | { kind: "unreadable"; what: "request" | "result"; requestId?: string; reason: string };

/**
 * A message that this collector owns until it acks, rejects or requeues it. These three never throw; on a
 * lost channel, and after the first of them, they do nothing.
 */
export interface ResultDelivery {
  decoded: DecodedDelivery;
  /** Aborts when the channel of this delivery is gone: the broker then delivers the message again. */
  lost: AbortSignal;
  ack: () => void;
  /** The broker moves it to `inference_results.dead`, as it is. */
  reject: () => void;
  /** Back to the queue, for another collector; counts as a delivery. */
  requeue: () => void;
  /**
   * To the end of the queue as it came, as a new message; resolves when the broker has confirmed. It is still
   * to be acked.
   */
  publishUnchanged: () => Promise<void>;
}

export interface ResultConsumer {
  /** Stops new deliveries; those owned stay valid. Resolves when none can come any more. */
  pause: () => Promise<void>;
  /** Closes the channel; the broker takes back what is still owned. */
  close: () => Promise<void>;
}

/**
 * What ends requests and wakes who waits for them. Every promise settles within a limit of the adapter behind
 * it.
 */
export interface FinishPorts {
  /**
   * Ends requests in one transaction, states and ledger together; one reply per finish, in order.
   * @throws {Fault} STORE_UNAVAILABLE when PostgreSQL does not answer
   * @throws an error that `isDataFault` knows when one of the finishes cannot be stored
   */
  finishRequests: (finishes: Finish[]) => Promise<FinishReply[]>;
  isDataFault: (error: unknown) => boolean;
  /**
   * One reply per settlement, in order, pipelined; what is broken of one user stops no other.
   * @throws {Fault} QUOTA_UNAVAILABLE; some may have been settled nevertheless
   */
  settle: (settlements: Settlement[]) => Promise<SettleReply[]>;
  /** Wakes the long-polls of these requests, on every gateway. */
  announceFinished: (requestIds: string[]) => Promise<void>;
}

export interface CollectorPorts extends Process, FinishPorts {
  /**
   * Consumes `inference_results` with a bounded prefetch, in the order of delivery; outlives lost
   * connections.
   */
  consumeResults: (onDelivery: (delivery: ResultDelivery) => void) => Promise<ResultConsumer>;
  /**
   * Puts a copy into `inference_requests.dead`, for people to look at; resolves when the broker has
   * confirmed.
   * @throws {Fault} BROKER_UNAVAILABLE
   */
  publishDeadRequest: (request: QueuedRequest, error: RequestError) => Promise<void>;
  /** A number in [0, 1), for jitter. */
  random: () => number;
}

/** Makes one of several collectors the keeper. */
export interface KeeperLock {
  /**
   * Returns true when this process is the keeper from now on, or still. The keeper goes on calling it every
   * interval: silence loses the lock.
   */
  tryAcquire: () => Promise<boolean>;
  /** Whether the lock is still this process's, as far as it knows. */
  isOurs: () => boolean;
  release: () => Promise<void>;
}

export interface RelayPorts {
  /**
   * Returns at most `limit` entries in all, from gateways that noted nothing for `silentMs` and are not done.
   */
  outboxOfDeadPublishers: (silentMs: number, limit: number) => Promise<DeadOutbox[]>;
  holdFates: (requests: RequestRef[]) => Promise<HoldFate[]>;
  /**
   * Publishes to `inference_requests`; resolves when the broker has confirmed.
   * @throws {Fault} BROKER_UNAVAILABLE
   */
  publishRequest: (request: QueuedRequest) => Promise<void>;
  /**
   * Notes that everything of this publisher up to and including this request id needs no relay any more. Like
   * `publisherDone` it has no effect on one that has noted something within `silentMs`.
   */
  noteRelayed: (publisherId: string, throughRequestId: string, silentMs: number) => Promise<void>;
  /** Notes that the publisher has nothing left to relay. It counts as dead until it notes something again. */
  publisherDone: (publisherId: string, silentMs: number) => Promise<void>;
}

export interface QueueDepth {
  queue: string;
  /**
   * `model`: requests of one model; `wait`: between two attempts; `shared`: results, and what waits to be
   * parked; `dead`: dead letters.
   */
  kind: "model" | "wait" | "shared" | "dead";
  /** null: not of one model. */
  model: string | null;
  /** Messages ready, so without those that a consumer owns. */
  ready: number;
}

export interface RepublishPorts {
  /**
   * As the broker counts now, not from a cache.
   * @throws {Fault} BROKER_UNAVAILABLE
   */
  queueDepths: () => Promise<QueueDepth[]>;
  /** Queued requests of these models that are not parked and were created before that instant. */
  queuedBefore: (
    createdBeforeMs: number,
    models: readonly string[],
    after: string | null,
    limit: number,
  ) => Promise<Page<QueuedRequest>>;
  /** In order. */
  attemptMarks: (requests: RequestRef[]) => Promise<AttemptMark[]>;
  /**
   * In order: until when the request may wait in a delay queue, Unix milliseconds by the clock of its worker;
   * 0: it is not known to wait.
   */
  delayedUntil: (requests: RequestRef[]) => Promise<number[]>;
  publishRequest: RelayPorts["publishRequest"];
}

export interface OrphanPorts {
  /**
   * The holds of all users in pages of bounded size, in no order; a hold may come twice. Empty pages give a
   * chance to rest.
   */
  scanHolds: () => AsyncIterable<AgedHold[]>;
  /** In order; undefined: PostgreSQL has no such request. */
  standings: (requestIds: readonly string[]) => Promise<(RequestStanding | undefined)[]>;
  settle: FinishPorts["settle"];
}

export interface ExpirePorts extends FinishPorts {
  /** Parked retries whose `expires_at` has passed, at most `limit`. */
  overdueRetries: (limit: number) => Promise<OverdueRetry[]>;
  deleteParked: DispatchPorts["deleteParked"];
  /** Queued requests whose `expires_at` has passed. */
  overdueRequests: (after: string | null, limit: number) => Promise<Page<RequestRef>>;
  attemptMarks: RepublishPorts["attemptMarks"];
}

export interface RetentionPorts {
  /** Makes the partitions of the coming days; nothing to do is fine. */
  ensurePartitions: () => Promise<void>;
  /** The UTC days with a partition whose requests were all created before that, oldest first. */
  partitionsBefore: (createdBeforeMs: number) => Promise<string[]>;
  /**
   * Drops the requests of a day unless one is open or somebody reads them; the ledger stays.
   * @throws {Fault} STORE_UNAVAILABLE also when somebody has the whole table
   */
  dropPartition: (day: string) => Promise<"dropped" | "open" | "read" | "absent">;
  /** Deletes ended requests outside every partition that were created before that. */
  deleteStraysBefore: (createdBeforeMs: number) => Promise<void>;
  /** Deletes at most `limit`; returns how many. */
  deleteIdempotencyKeysBefore: (createdBeforeMs: number, limit: number) => Promise<number>;
  /** Deletes publishers that are done and were last seen before that; returns how many. */
  deletePublishersBefore: (seenBeforeMs: number) => Promise<number>;
}

export interface IntakePorts {
  /**
   * Hands the first messages of the parking queue to `park`, at most `limit`, and acks them when it has
   * resolved; if it throws, they stay. Returns how many there were.
   *
   * @throws {Fault} BROKER_UNAVAILABLE, and what `park` throws
   */
  takePutOff: (
    limit: number,
    park: (requests: QueuedRequest[]) => Promise<void>,
  ) => Promise<number>;
  /** Parks those that are still open. @throws {Fault} STORE_UNAVAILABLE */
  parkRequests: (requests: QueuedRequest[]) => Promise<void>;
}

/** What the dispatcher reads and writes. Every promise settles within a limit of the adapter behind it. */
export interface DispatchPorts
  extends Pick<RelayPorts, "holdFates" | "publishRequest">, IntakePorts {
  /** As `takePutOff`, from the queue of a model. */
  takeQueued: (
    model: string,
    limit: number,
    park: (requests: QueuedRequest[]) => Promise<void>,
  ) => Promise<number>;
  /** Messages ready in the queue of each model, in order; 0 where there is no queue. */
  readyOf: (models: readonly string[]) => Promise<number[]>;
  /** In order. */
  healthOf: (models: readonly string[]) => Promise<{ health: ModelHealth; atMs: number }[]>;
  readWorkers: () => Promise<WorkerNote[]>;
  writeView: (view: LaneView) => Promise<void>;
  /** Pauses by operators, by model. */
  operatorPauses: () => Promise<ReadonlyMap<string, OperatorPause>>;
  /** Gateways that gave a sign of life lately. */
  countGateways: () => Promise<number>;
  /** Calls back with what gateways have parked; returns how to stop that. Some may be missed. */
  onParked: (listener: (parked: readonly ParkedRef[]) => void) => () => void;
  waitingTurns: (after: ParkedRef | null, limit: number) => Promise<WaitingTurn[]>;
  nextParked: (turns: readonly ParkedRef[], counts: readonly number[]) => Promise<ParkedPlace[][]>;
  /** Those that are still open. */
  readParked: (requestIds: readonly string[]) => Promise<OutboxEntry[]>;
  deleteParked: (requestIds: readonly string[]) => Promise<void>;
  countParked: () => Promise<ReadonlyMap<string, number>>;
  endsOf: (requestIds: readonly string[]) => Promise<DispatchedEnd[]>;
  /** In order; undefined: the default tier. */
  tiersOf: (userIds: readonly string[]) => Promise<(string | undefined)[]>;
}

export interface GaugePorts {
  queueDepths: RepublishPorts["queueDepths"];
  /** Requests stored but not yet confirmed, as the publishers noted last. */
  outboxDepth: () => Promise<number>;
}

export interface LimitsPorts {
  userIds: AuditPorts["userIds"];
  /** The tiers of the configuration now, as a text to compare. */
  tiers: () => string;
  /** Remembers in PostgreSQL what they allow, for when one is removed while users have it. */
  storeTiers: () => Promise<void>;
  /** The tiers that the users in Redis have their limits from; undefined: not known there. */
  appliedTiers: () => Promise<string | undefined>;
  noteAppliedTiers: (tiers: string) => Promise<void>;
  /** They are rebuilt from PostgreSQL before the next admission. */
  forgetUsers: (userIds: readonly string[]) => Promise<void>;
}

export interface KeeperPorts
  extends
    Process,
    RelayPorts,
    RepublishPorts,
    OrphanPorts,
    ExpirePorts,
    RetentionPorts,
    GaugePorts,
    LimitsPorts,
    DispatchPorts,
    AuditPorts {
  lock: KeeperLock;
}
