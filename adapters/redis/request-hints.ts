import { Type as t } from "@sinclair/typebox";
import type {
  AttemptHints,
  AttemptStart,
  StartedHint,
  StartHints,
} from "../../core/attempt/start.ts";
import { isFaultCode } from "../../core/faults.ts";
import type { RequestError } from "../../core/request/request.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";
import clearStartedLua from "../../lua/clear-started.lua" with { type: "text" };
import start from "../../lua/start.lua" with { type: "text" };
import type { RedisConnection } from "./connection.ts";
import { cancelledKey, startedKey } from "./keys.ts";
import { bindScript } from "./script.ts";

const START = {
  lua: start,
  keys: ["started", "cancelled"],
  args: ["attempt", "startedAtMs", "redelivered"],
  /** [cancelled 0|1, crashes] */
  reply: t.Tuple([t.Union([t.Literal(0), t.Literal(1)]), t.Integer({ minimum: 0 })]),
} as const;

const CLEAR_STARTED = {
  lua: clearStartedLua,
  keys: ["started"],
  args: ["startedAtMs", "attemptsMade", "errorCode", "errorMessage"],
  reply: t.Union([t.Literal("cleared"), t.Literal("kept")]),
} as const;

/**
 * Short-lived facts about requests that PostgreSQL need not know. Losing them loses no request: a status
 * shows `queued` for `in_progress`, a cancelled request may be executed, a crash is not counted.
 *
 * @throws {Fault} QUOTA_UNAVAILABLE, by all functions
 */
export interface RequestHints {
  /**
   * Call this at the very start of an attempt, not when the delivery arrives: `crashes` counts the starts of
   * this request that ended with the death of their worker, so only what was being executed is suspected, not
   * what was merely prefetched. Requests that ran side by side are suspected together; running a suspect
   * (`crashes` > 0) alone tells them apart.
   */
  markStarted: (start: AttemptStart) => Promise<StartHints>;
  /**
   * Notes that the attempt which began at `startedAtMs` ended without its worker dying (null: that the
   * request was put off without one), that `attemptsMade` have ended so far, those not counted that will be
   * made again, and what the last one met. Not needed once the request is settled.
   */
  clearStarted: (
    request: RequestRef & {
      startedAtMs: number | null;
      attemptsMade: number;
      lastError: RequestError | null;
    },
  ) => Promise<void>;
  /** All that is known, in order and in one round trip. */
  read: (requests: readonly RequestRef[]) => Promise<AttemptHints[]>;
  /** In order; undefined: no attempt is under way. */
  readStarted: (requests: readonly RequestRef[]) => Promise<(StartedHint | undefined)[]>;
  /**
   * In order: attempts that have ended, of a request between two attempts; 0 also while one is under way for
   * the first time.
   */
  readAttemptsMade: (requests: readonly RequestRef[]) => Promise<number[]>;
  /**
   * Notes that the request waits in a delay queue until then at most, Unix milliseconds. Not needed once it
   * is settled.
   */
  noteDelayed: (request: RequestRef & { untilMs: number }) => Promise<void>;
  /** In order: what `noteDelayed` noted last; 0: nothing. */
  readDelayedUntil: (requests: readonly RequestRef[]) => Promise<number[]>;
  /** Workers that are given the request from now on learn that it was cancelled. */
  markCancelled: (request: RequestRef) => Promise<void>;
}

const HINT_FIELDS = [
  "attempt",
  "startedAtMs",
  "lastStartedAtMs",
  "attemptsMade",
  "delayedUntilMs",
  "lastErrorCode",
  "lastErrorMessage",
] as const;

function hintsOf(values: readonly (string | null)[]): AttemptHints {
  const [attempt, startedAtMs, lastStartedAtMs, attemptsMade, delayedUntilMs, code, message] =
    values;
  return {
    started:
      attempt && startedAtMs
        ? { attempt: Number(attempt), startedAtMs: Number(startedAtMs) }
        : undefined,
    lastStartedAtMs: Number(lastStartedAtMs ?? 0),
    attemptsMade: Number(attemptsMade ?? 0),
    delayedUntilMs: Number(delayedUntilMs ?? 0),
    // A code of a newer version says nothing here.
    lastError: code && isFaultCode(code) ? { code, message: message ?? "" } : null,
  };
}

/** Longer than a cancelled request may still lie in a queue: a week by default, and the retry delays. */
const CANCELLED_TTL_SECONDS = 8 * 86_400;

/** Beyond the delay, so that the attempts made, which are noted beside it, are not forgotten earlier. */
const DELAYED_TTL_MS = 24 * 3_600_000;

export function createRequestHints(redis: RedisConnection): RequestHints {
  const markStarted = bindScript(redis, START);
  const clearStarted = bindScript(redis, CLEAR_STARTED);

  const readFields = (
    requests: readonly RequestRef[],
    fields: readonly string[],
  ): Promise<(string | null)[][]> =>
    Promise.all(
      requests.map(({ userId, requestId }) => {
        const key = startedKey(userId, requestId);
        return redis.run(({ client }) => client.hmget(key, ...fields), key);
      }),
    );

  const readNumbers = async (requests: readonly RequestRef[], field: string): Promise<number[]> =>
    (await readFields(requests, [field])).map(([value]) => Number(value ?? 0));

  return {
    markStarted: async ({ userId, requestId, attempt, startedAtMs, redelivered }) => {
      const [cancelled, crashes] = await markStarted.run({
        keys: {
          started: startedKey(userId, requestId),
          cancelled: cancelledKey(userId, requestId),
        },
        args: { attempt, startedAtMs, redelivered: redelivered ? 1 : 0 },
      });
      return { cancelled: cancelled === 1, crashes };
    },

    clearStarted: async ({ userId, requestId, startedAtMs, attemptsMade, lastError }) => {
      const keys = { started: startedKey(userId, requestId) };
      const error = { errorCode: lastError?.code ?? "", errorMessage: lastError?.message ?? "" };
      await clearStarted.run({
        keys,
        args: { startedAtMs: startedAtMs ?? "", attemptsMade, ...error },
      });
    },

    // None waits for another, so each of these takes one round trip.
    read: async (requests) => (await readFields(requests, HINT_FIELDS)).map(hintsOf),

    readStarted: async (requests) =>
      (await readFields(requests, ["attempt", "startedAtMs"])).map(([attempt, startedAtMs]) =>
        attempt && startedAtMs
          ? { attempt: Number(attempt), startedAtMs: Number(startedAtMs) }
          : undefined,
      ),

    readAttemptsMade: (requests) => readNumbers(requests, "attemptsMade"),

    noteDelayed: async ({ userId, requestId, untilMs }) => {
      const key = startedKey(userId, requestId);
      await redis.run(
        ({ client }) =>
          client
            .multi()
            .hset(key, "delayedUntilMs", untilMs)
            .pexpireat(key, untilMs + DELAYED_TTL_MS)
            .exec(),
        key,
      );
    },

    readDelayedUntil: (requests) => readNumbers(requests, "delayedUntilMs"),

    markCancelled: async ({ userId, requestId }) => {
      const key = cancelledKey(userId, requestId);
      await redis.run(({ client }) => client.set(key, "1", "EX", CANCELLED_TTL_SECONDS), key);
    },
  };
}
