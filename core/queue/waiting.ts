import type { FaultCode } from "../faults.ts";
import type { RequestError } from "../request/request.ts";
import type { ModelLane, Waiting, WaitingReason, WorkerNote } from "./lane.ts";
import { leaveOf, type ModelHealth, type Trouble } from "./model-health.ts";

/** The workers that run, as far as a model is concerned. */
export interface ModelWorkers {
  running: number;
  /** Those that can call it. */
  able: number;
}

/** What is known of a model by whoever says why its requests wait. */
export interface ModelFacts {
  /** False: it was removed from the configuration. */
  isConfigured: boolean;
  /** undefined: the dispatcher has said nothing of it. */
  lane: ModelLane | undefined;
  health: ModelHealth;
  /** Now, by the clock that the health is dated by. */
  atMs: number;
  /** undefined: not known. */
  workers: ModelWorkers | undefined;
}

/** Where a parked request stands. */
export interface OwnPlace {
  /** Requests of the same user that go first, as far as they were counted. */
  ownAhead: number;
  /** Attempts that were made. */
  attemptsMade: number;
  /** What the last of them met, or why it was put off; null: nothing yet. */
  lastError: RequestError | null;
}

/** A queued request that no worker executes. */
export interface QueuedFacts {
  userId: string;
  /** Of its user's tier. */
  weight: number;
  /** undefined: it is not parked, so it is in a queue of the broker. */
  place: OwnPlace | undefined;
  /** For how long it waits for its next attempt at most; 0: it does not. */
  delayMs: number;
}

const CODES: Record<Trouble, FaultCode> = {
  unreachable: "UPSTREAM_UNREACHABLE",
  busy: "UPSTREAM_BUSY",
  unavailable: "UPSTREAM_UNAVAILABLE",
  refused: "UPSTREAM_REFUSED",
  failing: "UPSTREAM_FAILED",
};

const errorOf = ({ trouble, message }: { trouble: Trouble; message: string }): RequestError => ({
  code: CODES[trouble],
  message,
});

/** Sums up what the workers say of a model. */
export function workersOf(notes: readonly WorkerNote[], model: string): ModelWorkers {
  const able = notes.filter(
    ({ models }) => Object.hasOwn(models, model) && models[model]?.problem === null,
  );
  return { running: notes.length, able: able.length };
}

/** Why nothing of the model can be called now, whoever asks; null: it can. */
export function hindranceOf(facts: ModelFacts): Waiting | null {
  const { isConfigured, lane, health, workers } = facts;
  if (!isConfigured) return because("model_removed");
  if (lane !== undefined && lane.operatorPause !== null) return because("model_paused");
  // Workers that lack something go before what the last call met: nobody calls until that is mended.
  if (workers !== undefined && workers.running > 0 && workers.able === 0)
    return because("no_worker");
  if (health.pause !== null) {
    const { cause: trouble, message } = health.pause;
    return { ...because("model_unavailable"), lastError: errorOf({ trouble, message }) };
  }
  return null;
}

/** Why a queued request has not started: the first thing in its way. */
export function whyWaiting(facts: ModelFacts, request: QueuedFacts): Waiting {
  const { lane, health, atMs, workers } = facts;
  const { userId, place, delayMs } = request;
  const ahead = place?.ownAhead ?? 0;
  const hindrance = hindranceOf(facts);
  if (hindrance !== null) return { ...hindrance, ahead };
  if (workers?.running === 0) return { ...because("no_worker"), ahead };
  const user = health.users[userId];
  const leave = leaveOf(health, userId, atMs);
  const isUserPaused = leave.kind === "user_paused" || leave.kind === "probe";
  const userPausedMs = leave.kind === "user_paused" ? leave.untilMs - atMs : 0;
  if (delayMs > userPausedMs)
    return { ...because("between_attempts"), ahead, startsInSeconds: inSeconds(delayMs) };
  if (isUserPaused && user !== undefined)
    return { ...because("user_paused"), ahead, lastError: errorOf(user) };
  if (lane === undefined) return { ...because("fair_share"), ahead };
  if (place === undefined) {
    // It is one of those that are ready itself.
    const inQueue = Math.max(0, lane.ready - 1);
    return { ...because("fair_share"), ahead: inQueue, startsInSeconds: afterTurns(inQueue, lane) };
  }
  const turns = lane.ready + ahead * roundOf(lane, request.weight);
  return {
    ...because(ahead > 0 ? "own_requests_ahead" : "fair_share"),
    ahead: ahead > 0 ? ahead : lane.ready,
    startsInSeconds: afterTurns(turns, lane),
  };
}

const because = (reason: WaitingReason): Waiting => ({
  reason,
  ahead: 0,
  startsInSeconds: null,
  lastError: null,
});

const inSeconds = (ms: number): number => Math.ceil(ms / 1_000);

/** Turns of everybody for one of this user's, 1 at least: nobody else may wait. */
function roundOf({ weights }: ModelLane, weight: number): number {
  return Math.max(weights, weight) / weight;
}

function afterTurns(turns: number, { ratePerSecond }: ModelLane): number | null {
  return ratePerSecond > 0 ? Math.ceil(turns / ratePerSecond) : null;
}

/** Open requests. */
export interface Work {
  requests: number;
  /** Estimated tokens. */
  tokens: number;
}

/** Open requests of one model. */
export interface DatedWork extends Work {
  /** null: there is none that has to be done soon. */
  oldestCreatedAtMs: number | null;
}

const NO_WORK: DatedWork = { requests: 0, tokens: 0, oldestCreatedAtMs: null };

/** Users in trouble of their own at a model, whose requests are tried one at a time. */
export function slowedUsersOf({ health, atMs }: ModelFacts): string[] {
  return Object.keys(health.users).filter((userId) => {
    const { kind } = leaveOf(health, userId, atMs);
    return kind === "user_paused" || kind === "probe";
  });
}

/**
 * What of a model's open requests could run, so that nothing wakes for what cannot. Of one that cannot be
 * called now one request counts where a worker is needed to see whether it can again: to probe it, or to say
 * what workers lack. Of what each of its slowed users has parked, one counts.
 */
export function runnableOf(
  waiting: DatedWork,
  facts: ModelFacts,
  slowed: readonly Work[],
): DatedWork {
  const { requests, tokens } = waiting;
  const hindrance = hindranceOf(facts);
  if (requests === 0) return waiting;
  if (hindrance === null) return withoutSlowed(waiting, slowed);
  const { pause } = facts.health;
  const isDue = pause !== null && facts.atMs >= pause.untilMs;
  const isNeeded =
    hindrance.reason === "no_worker" || (hindrance.reason === "model_unavailable" && isDue);
  return isNeeded ? { ...NO_WORK, requests: 1, tokens: Math.ceil(tokens / requests) } : NO_WORK;
}

/** The two were counted one after the other, so what is parked may be more than what waits. */
function withoutSlowed(waiting: DatedWork, slowed: readonly Work[]): DatedWork {
  let { requests, tokens } = waiting;
  for (const parked of slowed) {
    if (parked.requests === 0) continue;
    requests -= parked.requests - 1;
    tokens -= parked.tokens - Math.ceil(parked.tokens / parked.requests);
  }
  return { ...waiting, requests: Math.max(0, requests), tokens: Math.max(0, tokens) };
}
