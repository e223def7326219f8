import type { Priority } from "../queue/fair-order.ts";
import type { QueuedRequest } from "./messages.ts";
import type { DurableState, RequestHead } from "./request.ts";

/**
 * How long an Idempotency-Key is remembered. No queue_ttl may be longer: while a request can wait, a replay
 * with its key must find it instead of making another.
 */
export const IDEMPOTENCY_KEYS_MS = 7 * 86_400_000;

/**
 * Names a request together with its user: every query carries both, and everything of a user lies in one
 * place.
 */
export type RequestRef = Pick<RequestHead, "requestId" | "userId">;

/** One page of a listing; `next` is where to go on (`after`), null at the end. */
export interface Page<Item> {
  items: Item[];
  next: string | null;
}

/** Parts of a request that are sealed apart; the name is bound into the seal. */
export type SealedField = "prompt" | "metadata" | "result" | "delta" | "error_detail";

/** An Idempotency-Key and the body that it came with, each as a keyed hash of 32 bytes. */
export interface Idempotency {
  keyHash: Uint8Array;
  fingerprint: Uint8Array;
  /** Of a call that is held open: how often it was repeated so far. Absent: the caller gave the key. */
  tries?: number;
}

/** A request as it is stored on acceptance. Content is sealed. */
export interface NewRequest {
  head: RequestHead;
  /** The gateway process that has to publish it. */
  publisherId: string;
  prompt: Uint8Array;
  /** null: the caller gave none. */
  metadata: Uint8Array | null;
  /**
   * The request is stored only before this by the store's clock, Unix milliseconds: a server that wakes up
   * late must not store what was refused.
   */
  acceptUntilMs: number;
  /** null: the caller sent no key. */
  idempotency: Idempotency | null;
  /** The class in which it waits for its turn. */
  priority: Priority;
  /** Whether it waits for its turn; false: it is published at once. */
  isParked: boolean;
}

/** The request that an Idempotency-Key already stands for. */
export interface Replay {
  requestId: string;
  /** Whether the key came with the same body then. */
  sameBody: boolean;
}

/**
 * `stored`: committed. `late`: not stored, `acceptUntilMs` had passed. `replay`: not stored, the key was used
 * before.
 */
export type InsertOutcome = { kind: "stored" } | { kind: "late" } | ({ kind: "replay" } & Replay);

/** A request as it is read back, without its prompt. Content is sealed. */
export interface StoredRequest {
  requestId: string;
  userId: string;
  model: string;
  state: DurableState;
  estimatedTokens: number;
  /** What was used; null: not ended yet, or nothing was executed. */
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
  /** null unless completed. */
  result: Uint8Array | null;
  /** What the ML service said of its failure; null: nothing. */
  errorDetail: Uint8Array | null;
}

/** A request in a list. */
export type ListedRequest = Omit<StoredRequest, "result" | "errorDetail">;

export interface ListQuery {
  userId: string;
  /** Absent: all. */
  state?: DurableState | undefined;
  /** Only requests older than this one; absent: from the newest on. */
  before?: string | undefined;
  limit: number;
}

/** Work of one model that waits or runs: its requests without a terminal state. */
export interface WaitingModel {
  model: string;
  requests: number;
  /** Estimated tokens. */
  tokens: number;
  oldestCreatedAtMs: number;
}

/** How a request stands, whoever owns it. */
export interface RequestStanding {
  state: DurableState;
  /** Total of its ledger row; null: it has none. */
  billedTokens: number | null;
  /** Of its ledger row; 0 also when it has none. */
  failedExecutions: number;
}

/** What a gateway says of its outbox, a few times a second. */
export interface OutboxNote {
  /** All requests of this gateway with a smaller id are confirmed by the broker. */
  confirmedThrough: string;
  /** Requests stored but not confirmed. */
  unconfirmed: number;
}

/** An outbox note with the gateway process that makes it. */
export interface PublisherNote extends OutboxNote {
  /** One per process start. */
  publisherId: string;
  host: string;
}

export interface OutboxEntry {
  request: QueuedRequest;
  /**
   * An Idempotency-Key names the request: another gateway may have returned 202 for it after its own had
   * gone.
   */
  isKeyed: boolean;
}

/** What a gateway that fell silent had stored and the broker had not confirmed: queued requests only. */
export interface DeadOutbox {
  publisherId: string;
  /** Ascending by request id. */
  entries: OutboxEntry[];
  /** False when the limit cut it off: there are more. */
  isComplete: boolean;
}
