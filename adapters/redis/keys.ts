import { windowIdOf } from "../../core/quota/windows.ts";

/**
 * The key that the scripts on the books of a user take. The braces are literal: everything of a user sits in
 * one cluster slot. The names of keys are written here and, for those scripts, in `lua/shared/books.lua`; a
 * test compares the two.
 */
export const userKey = (userId: string): string => `user:{${userId}}`;

/** The books of a user. `…Used` and `…Held` are stems: a window id follows. */
export function booksKeys(userId: string) {
  const user = userKey(userId);
  const daily = `${user}:quota:daily`;
  const monthly = `${user}:quota:monthly`;
  return {
    marker: `${user}:quota:instance`,
    loading: `${user}:quota:loading`,
    settledLog: `${user}:quota:loading:settled`,
    loadedAt: `${user}:quota:loaded-at`,
    counted: `${user}:quota:counted`,
    holds: holdsKey(userId),
    dailyRequestsLimit: `${daily}:requests:limit`,
    dailyTokensLimit: `${daily}:tokens:limit`,
    monthlyRequestsLimit: `${monthly}:requests:limit`,
    monthlyTokensLimit: `${monthly}:tokens:limit`,
    concurrentLimit: `${user}:quota:concurrent:limit`,
    failedLimits: `${user}:quota:failed:limits`,
    dailyRequestsUsed: `${daily}:requests:used:`,
    dailyTokensUsed: `${daily}:tokens:used:`,
    monthlyRequestsUsed: `${monthly}:requests:used:`,
    monthlyTokensUsed: `${monthly}:tokens:used:`,
    dailyFailedUsed: `${daily}:failed:used:`,
    monthlyFailedUsed: `${monthly}:failed:used:`,
    failuresBlock: `${user}:quota:failures-block`,
    dailyRequestsHeld: `${daily}:requests:held:`,
    dailyTokensHeld: `${daily}:tokens:held:`,
  };
}

/**
 * The counters of `day`: daily used and held (requests, tokens), then used of its month, then failed
 * executions of both.
 */
export function counterKeys(userId: string, day: string): string[] {
  const keys = booksKeys(userId);
  const month = windowIdOf("monthly", day);
  return [
    keys.dailyRequestsUsed + day,
    keys.dailyTokensUsed + day,
    keys.dailyRequestsHeld + day,
    keys.dailyTokensHeld + day,
    keys.monthlyRequestsUsed + month,
    keys.monthlyTokensUsed + month,
    keys.dailyFailedUsed + day,
    keys.monthlyFailedUsed + month,
  ];
}

/** Hash: request id -> `tokens|day|takenAtMs`. */
export const holdsKey = (userId: string): string => `${userKey(userId)}:holds`;
export const HOLDS_KEY_PATTERN = "user:{*}:holds";

/** The user that a key of the pattern `HOLDS_KEY_PATTERN` belongs to. */
export function userOfHoldsKey(key: string): string {
  return key.slice("user:{".length, -"}:holds".length);
}

/**
 * A hash: attempt, startedAtMs and crashes of an attempt under way; attemptsMade of those before it,
 * lastStartedAtMs, lastErrorCode and lastErrorMessage of the last; delayedUntilMs of the wait for the next.
 */
export const startedKey = (userId: string, requestId: string): string =>
  `${userKey(userId)}:started:${requestId}`;

/** Present while a cancelled request may still reach a worker. */
export const cancelledKey = (userId: string, requestId: string): string =>
  `${userKey(userId)}:cancelled:${requestId}`;

/** Stream: the sealed pieces of an answer that is read while it is made. */
export const deltasKey = (userId: string, requestId: string): string =>
  `${userKey(userId)}:deltas:${requestId}`;

/** The tiers that the loaded users have their limits from. */
export const APPLIED_TIERS_KEY = "tollgate:tiers";

/** The record of an API key, by the keyed hash of the key. */
export const apiKeyKey = (keyHash: string): string => `key:${keyHash}`;

/**
 * Channels: ids of ended requests, of cancelled requests, hashes of changed API keys, `MODEL USER CLASS` of
 * parked requests, models whose health or pause changed; each a comma-separated list.
 */
export const CHANNELS = {
  finished: "tollgate:finished",
  cancel: "tollgate:cancel",
  keyChange: "tollgate:key-change",
  parked: "tollgate:parked",
  modelChange: "tollgate:model-change",
  broken: "tollgate:broken-call",
} as const;

/** What the dispatcher says of every model, as JSON. */
export const LANES_KEY = "tollgate:lanes";

/** Hash: worker id -> its last sign of life, as JSON. */
export const WORKERS_KEY = "tollgate:workers";
