import type { RequestError } from "../request/request.ts";
import type { Turn } from "./fair-order.ts";

/** `direct`: what is accepted is published at once. `parked`: it waits in PostgreSQL for its fair turn. */
export type LaneMode = "direct" | "parked";

/** An operator's pause of a model: nothing of it is called until it is resumed. */
export interface OperatorPause {
  by: string;
  reason: string;
  atMs: number;
}

/** What the dispatcher tells gateways and workers of one model. */
export interface ModelLane {
  mode: LaneMode;
  /** Messages that one gateway may publish until it reads the next view. */
  allowance: number;
  /** Messages ready in the model's queue. */
  ready: number;
  /** Parked requests; counted now and then, so a little behind. */
  parked: number;
  /** Requests ended per second, measured; 0: none lately. */
  ratePerSecond: number;
  /** Of the users that wait: how many, and the sum of their weights. */
  users: number;
  weights: number;
  operatorPause: OperatorPause | null;
}

/** The dispatcher's word, for everybody; renewed at least once a second while there is a keeper. */
export interface LaneView {
  atMs: number;
  models: Readonly<Record<string, ModelLane>>;
}

/** Somebody's requests of one class at a model that wait in PostgreSQL. */
export interface ParkedRef extends Turn {
  model: string;
}

/** The same, found where they wait. */
export interface WaitingTurn extends ParkedRef {
  /** When the request was made that is due first, Unix milliseconds. */
  sinceMs: number;
}

/** What a worker says of a model about once a second. */
export interface WorkerModel {
  /** Why it does not call the model; null: it does. */
  problem: "key_missing" | null;
  /** How many attempts may be under way, and how many are. */
  limit: number;
  underWay: number;
  /** Calls that have ended in this process since it started; rates are measured from it. */
  ended: number;
}

/** A worker's sign of life. */
export interface WorkerNote {
  workerId: string;
  host: string;
  atMs: number;
  models: Readonly<Record<string, WorkerModel>>;
}

/** Why a request waits; a closed list. docs/api.md explains each. */
export const WAITING_REASONS = [
  /** Older or more urgent requests of the same user go first. */
  "own_requests_ahead",
  /** Other users have their turns. */
  "fair_share",
  /** An operator has paused the model. */
  "model_paused",
  /** The model's ML service cannot be called now. */
  "model_unavailable",
  /** The model's ML service is in trouble with this user's requests alone: they are tried one at a time. */
  "user_paused",
  /** An attempt failed; the next one has its time. */
  "between_attempts",
  /** No worker runs that can call the model. */
  "no_worker",
  /** The model was removed from the configuration. */
  "model_removed",
] as const;
export type WaitingReason = (typeof WAITING_REASONS)[number];

/** The answer to "why does it wait". */
export interface Waiting {
  reason: WaitingReason;
  /** Requests that go first, as far as known. */
  ahead: number;
  /** From measured rates; null: not known, such as while the model is unavailable. */
  startsInSeconds: number | null;
  /** What the model's ML service met last, in our words; null where it is not about that. */
  lastError: RequestError | null;
}
