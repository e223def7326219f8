import type { Deltas, Piece } from "../core/attempt/deltas.ts";
import type { DeltaEntry, DeltaPlace } from "../core/request/delta-entry.ts";
import type { RequestRef } from "../core/request/stored-request.ts";
import type { Delay } from "../core/attempt/delay.ts";
import type { InferenceOutcome, UpstreamWords } from "../core/attempt/outcome.ts";
import type { AttemptStart, StartHints } from "../core/attempt/start.ts";
import type { Config, ModelConfig } from "../core/config/schema.ts";
import type { Metrics } from "../core/metrics.ts";
import type { LaneView, WorkerNote } from "../core/queue/lane.ts";
import type { DatedHealth, ModelHealth } from "../core/queue/model-health.ts";
import type { QueuedRequest, QueuedResult } from "../core/request/messages.ts";
import type { InferencePayload, InferenceResult } from "../core/request/payload.ts";
import type { RequestError, RequestHead } from "../core/request/request.ts";
import type { ReachCrashPoint } from "../runtime/crash-points.ts";
import type { Log } from "../runtime/log.ts";
import type { Schedule } from "../runtime/schedule.ts";

/** A message of a model's queue that this worker owns until it acks, requeues or rejects it, once. */
export interface Delivery {
  /** The message, or in our words why it cannot be read. */
  decoded:
    | { ok: true; request: QueuedRequest }
    /** `isNewer`: a newer version wrote it, whose workers can read it. */
    | { ok: false; isNewer: boolean; reason: string };
  /** How often the broker delivered it before; 0 at first. */
  deliveryCount: number;
  redelivered: boolean;
  /** Aborts when the channel of this delivery is gone: the broker then gives the message to someone else. */
  lost: AbortSignal;
  /** Like `requeue` and `reject` it never throws; on a lost channel the three do nothing. */
  ack: () => void;
  /** Back to the queue, for another worker; counts as a delivery. */
  requeue: () => void;
  /**
   * To the end of the queue as it came, as a new message; resolves when the broker has confirmed. It is still
   * to be acked.
   */
  publishUnchanged: () => Promise<void>;
  /** To the dead letters, as it is. */
  reject: () => void;
}

export interface Consumer {
  /**
   * Changes how many deliveries may be owned ahead of their acks; those owned already stay valid and may come
   * on top for a while. 0: none can come any more once this has resolved. May reject when the broker is away.
   */
  setPrefetch: (prefetch: number) => Promise<void>;
  /** Closes the channel; the broker takes back what is still owned. */
  close: () => Promise<void>;
}

/** Why a message lies in the dead-letter queue, for people to look at. */
export interface DeadReason extends RequestError {
  /** Sealed `UpstreamWords`; absent: the ML service said nothing. */
  errorDetail?: Uint8Array;
  attempts: number;
  diedAtMs: number;
}

/**
 * Everything that the worker asks of the world. Every promise settles within a limit of the adapter behind
 * it.
 */
export interface WorkerPorts {
  /** By which others know this process, and where it runs. */
  workerId: string;
  host: string;
  /** Whether the secret that the model's ML service wants is there. */
  hasKey: (model: ModelConfig) => boolean;
  /**
   * Starts a consumer of the queue that the model has now, which delivers at most `prefetch` messages ahead
   * of their acks and outlives lost connections.
   */
  consume: (
    model: string,
    prefetch: number,
    onDelivery: (delivery: Delivery) => void,
  ) => Promise<Consumer>;
  /**
   * Like the other publishes it resolves when the broker has confirmed; it rejects when that is not known.
   * @throws {Fault} MESSAGE_TOO_LARGE when the queue will never take it; so does `publishDead`
   */
  publishResult: (result: QueuedResult) => Promise<void>;
  /** To the end of its model's queue, as if it had never been delivered. */
  publishAgain: (request: QueuedRequest) => Promise<void>;
  /** To the keeper, who stores it as parked: it comes again when its model can be called. */
  publishPutOff: (request: QueuedRequest) => Promise<void>;
  publishRetry: (request: QueuedRequest, delay: Delay) => Promise<void>;
  publishDead: (request: QueuedRequest, reason: DeadReason) => Promise<void>;
  /**
   * Best effort: when the hint store is away the work goes on without. `in_progress` is shown from it, too.
   */
  markStarted: (start: AttemptStart) => Promise<StartHints>;
  /**
   * Best effort: the attempt that began at `startedAtMs`, and no other, ended in this worker's hands without
   * ending the request (a retry, put off, or given back); null: the request was put off without one.
   * `attemptsMade` have ended so far: with any, the request does not expire any more. After a result the mark
   * stays, so that the request is shown in progress until it is settled; settling or the mark's TTL removes
   * it.
   */
  clearStarted: (
    start: Pick<AttemptStart, "userId" | "requestId"> & {
      startedAtMs: number | null;
      attemptsMade: number;
      lastError: RequestError | null;
    },
  ) => Promise<void>;
  /**
   * Best effort: the request waits in a delay queue until then at most, Unix milliseconds, so that nobody
   * takes it for lost.
   */
  noteDelayed: (
    request: Pick<AttemptStart, "userId" | "requestId"> & { untilMs: number },
  ) => Promise<void>;
  /** What all workers together know of the models, in order; rejects when Redis is away. */
  readHealth: (models: readonly string[]) => Promise<DatedHealth[]>;
  /**
   * Changes what is known of a model by a pure function of what it is, which may be called again; null leaves
   * it. Returns the record afterwards, and whether this changed it; rejects when Redis is away.
   */
  changeHealth: (
    model: string,
    judge: (now: DatedHealth) => ModelHealth | null,
  ) => Promise<DatedHealth & { isChanged: boolean }>;
  /** What the dispatcher says last, operators' pauses included; rejects when Redis is away. */
  readLanes: () => Promise<LaneView | undefined>;
  /** Best effort: tells the others at once that the health of a model has changed. */
  announceModelChange: (model: string) => Promise<void>;
  /** Calls back with the model whose health or pause has changed; returns how to stop that. */
  onModelChange: (listener: (model: string) => void) => () => void;
  /** Best effort: this worker's sign of life. */
  noteWorker: (note: Omit<WorkerNote, "atMs">) => Promise<void>;
  /** Best effort: it takes no more work. */
  forgetWorker: (workerId: string) => Promise<void>;
  /** Calls back with the id of each request that its user cancels; returns how to stop that. */
  onCancel: (listener: (requestId: string) => void) => () => void;
  /** Opens the sealed payload. May throw: the request then ends as unreadable. */
  openPayload: (request: QueuedRequest) => InferencePayload | Promise<InferencePayload>;
  /** Begins the pieces of an execution, for those who read along: anew, or from those before. */
  beginDeltas: (request: RequestRef, isContinued: boolean) => Promise<number>;
  /** What came behind a position of the pieces of each request, in order; some of it, where there is much. */
  readDeltas: (asked: readonly (RequestRef & { after: string })[]) => Promise<DeltaEntry[][]>;
  /** Writes pieces where readers find them; writing an entry twice leaves one. */
  appendDeltas: (request: RequestRef, place: DeltaPlace, pieces: readonly Piece[]) => Promise<void>;
  sealResult: (head: RequestHead, result: InferenceResult) => Uint8Array | Promise<Uint8Array>;
  sealErrorDetail: (head: RequestHead, words: UpstreamWords) => Uint8Array | Promise<Uint8Array>;
  /**
   * One call of the ML service, over after the model's `timeout_ms` at the latest; rejects only for the
   * signal.
   */
  infer: (
    model: string,
    config: ModelConfig,
    payload: InferencePayload,
    signal: AbortSignal,
    deltas?: Deltas | null,
  ) => Promise<InferenceOutcome>;
  countTokens: (text: string) => number | Promise<number>;
  metrics: Metrics;
  log: Log;
  /** Unix milliseconds. */
  now: () => number;
  /** In [0, 1). */
  random: () => number;
  schedule: Schedule;
  reach: ReachCrashPoint;
}

/**
 * What a worker reads of the configuration. Models and retries are read at each use, so that a reload
 * applies.
 */
export type WorkerConfig = Pick<Config, "worker" | "retry" | "models" | "default_model">;

/** undefined: the model is not in the configuration. */
export function modelOf({ models }: WorkerConfig, model: string): ModelConfig | undefined {
  return Object.hasOwn(models, model) ? models[model] : undefined;
}
