import { randomUUIDv7 } from "bun";
import { Fault } from "../../core/faults.ts";
import type {
  Admission,
  AdmitReply,
  LoadReply,
  LoadTicket,
  QuotaLimits,
  QuotaSnapshot,
  QuotaTruth,
  Settlement,
  SettleReply,
} from "../../core/quota/quota.ts";
import type { RedisConnection } from "./connection.ts";
import { booksKeys, startedKey, userKey } from "./keys.ts";
import { ADMIT, BEGIN_LOAD, LOAD, READ_QUOTA, SET_LIMITS, SETTLE } from "./quota-scripts.ts";
import { bindScript } from "./script.ts";
import { toBlockedUse, toSnapshot, toUse } from "./snapshot.ts";

/**
 * The quotas of users in Redis.
 *
 * @throws {Fault} QUOTA_UNAVAILABLE, by every function, when Redis does not answer, at once or in time
 */
export interface QuotaStore {
  /**
   * Takes a hold, all or nothing. An admission that threw may have taken one: release it, or leave it to the
   * keeper.
   */
  admit: (admission: Admission) => Promise<AdmitReply>;
  /**
   * Returns the replies in order; a user whose books are broken, or away, stops no other. Idempotent: after a
   * throw the same settlements may be made again.
   */
  settle: (settlements: readonly Settlement[]) => Promise<SettleReply[]>;
  /** Reads the state of a user's windows; undefined: the user must be loaded first. */
  read: (userId: string) => Promise<QuotaSnapshot | undefined>;
  /** Returns permission to load a user; undefined: the user is loaded already. */
  beginLoad: (userId: string) => Promise<LoadTicket | undefined>;
  /** Replaces what Redis knows of a user by a truth that was read after the ticket was given. */
  load: (userId: string, ticket: LoadTicket, truth: QuotaTruth) => Promise<LoadReply>;
  /** Call this after the limits were committed to PostgreSQL. */
  setLimits: (userId: string, limits: QuotaLimits) => Promise<void>;
  /** The user is rebuilt from PostgreSQL before the next admission. */
  forget: (userId: string) => Promise<void>;
}

export interface QuotaStoreOptions {
  /** Unix milliseconds that the scripts take for now; 0, the default, is the clock of Redis. For tests. */
  clockMs?: () => number;
}

/** How long a loaded user counts as known: limits are read from PostgreSQL again about every six hours. */
const KNOWN_FOR_MS = 6 * 3_600_000;

/** Spread by a fifth, so that users loaded together after a restart do not all come back together. */
const knownForMs = (): number => Math.round(KNOWN_FOR_MS * (0.9 + Math.random() * 0.2));

const toLimitArg = (limit: number | null): number => limit ?? -1;

export function createQuotaStore(
  redis: RedisConnection,
  { clockMs = () => 0 }: QuotaStoreOptions = {},
): QuotaStore {
  const admit = bindScript(redis, ADMIT);
  const settle = bindScript(redis, SETTLE);
  const read = bindScript(redis, READ_QUOTA);
  const beginLoad = bindScript(redis, BEGIN_LOAD);
  const load = bindScript(redis, LOAD);
  const setLimits = bindScript(redis, SET_LIMITS);

  /**
   * Loses nothing: the bill is in PostgreSQL, from where the user is loaded anew, and a hold that is not
   * stored there yet is found missing and mended when it is settled.
   */
  async function discard(userId: string): Promise<void> {
    const { marker, loading, settledLog, loadedAt, holds } = booksKeys(userId);
    await redis.run(
      ({ client }) => client.del(marker, loading, settledLog, loadedAt, holds),
      userKey(userId),
    );
  }

  return {
    admit: async ({ userId, requestId, tokens }) => {
      const reply = await admit.run({
        keys: { user: userKey(userId) },
        args: { requestId, tokens, clockMs: clockMs() },
      });
      if (reply.length === 1) return { kind: "unknown" };
      if (reply.length === 16) {
        const [kind, ...numbers] = reply;
        return { kind, snapshot: toBlockedUse(numbers) };
      }
      const [kind, ...numbers] = reply;
      return { kind, snapshot: toUse(numbers) };
    },

    settle: async (settlements) => {
      const outcomes = await settle.runEach(
        settlements.map(({ userId, requestId, billedTokens, failedExecutions, expectHold }) => ({
          keys: { user: userKey(userId), started: startedKey(userId, requestId) },
          args: {
            requestId,
            billedTokens: billedTokens ?? -1,
            failed: failedExecutions,
            expectHold: expectHold ? 1 : 0,
            clockMs: clockMs(),
          },
        })),
      );
      const replies = outcomes.map((outcome): SettleReply => {
        if (outcome.ok) return outcome.value;
        return outcome.error instanceof Fault ? "away" : "broken";
      });
      const broken = settlements.filter((_, index) => replies[index] === "broken");
      for (const userId of new Set(broken.map((settlement) => settlement.userId)))
        await discard(userId);
      return replies;
    },

    read: async (userId) => {
      const args = { clockMs: clockMs() };
      const reply = await read.run({ keys: { user: userKey(userId) }, args });
      if (reply.length === 1) return undefined;
      const [, ...numbers] = reply;
      return toSnapshot(numbers);
    },

    beginLoad: async (userId) => {
      const { instance } = redis.server(userKey(userId));
      const [nonce, ...recentRequestIds] = await beginLoad.run({
        keys: { user: userKey(userId) },
        args: { instance, nonce: `${instance}:${randomUUIDv7()}`, clockMs: clockMs() },
      });
      return nonce === undefined ? undefined : { instance, nonce, recentRequestIds };
    },

    load: async (userId, { instance, nonce }, truth) => {
      // A ticket of another Redis process: what was noted since it was given is gone.
      if (redis.server(userKey(userId)).instance !== instance) return "superseded";
      return load.run({
        keys: { user: userKey(userId) },
        args: {
          instance,
          nonce,
          knownForMs: knownForMs(),
          clockMs: clockMs(),
          truthJson: toJson(truth),
        },
      });
    },

    setLimits: async (userId, limits) => {
      const [dailyRequests, dailyTokens, monthlyRequests, monthlyTokens, concurrent, ...failed] =
        limitArgs(limits);
      const [dailyFailed, monthlyFailed] = failed;
      await setLimits.run({
        keys: { user: userKey(userId) },
        args: {
          dailyRequests,
          dailyTokens,
          monthlyRequests,
          monthlyTokens,
          concurrent,
          dailyFailed,
          monthlyFailed,
          clockMs: clockMs(),
        },
      });
    },

    forget: async (userId) => {
      const { marker, loading, settledLog } = booksKeys(userId);
      await redis.run(({ client }) => client.del(marker, loading, settledLog), userKey(userId));
    },
  };
}

function limitArgs({
  windows: { daily, monthly },
  failedExecutions,
  concurrentRequests,
}: QuotaLimits): [number, number, number, number, number, number, number] {
  return [
    toLimitArg(daily.requests),
    toLimitArg(daily.tokens),
    toLimitArg(monthly.requests),
    toLimitArg(monthly.tokens),
    toLimitArg(concurrentRequests),
    toLimitArg(failedExecutions.daily),
    toLimitArg(failedExecutions.monthly),
  ];
}

function toJson({ limits, days, holds, unstored = [] }: QuotaTruth): string {
  return JSON.stringify({
    limits: limitArgs(limits),
    days: days.map(({ day, requests, tokens, failedExecutions }) => [
      day,
      requests,
      tokens,
      failedExecutions,
    ]),
    holds: holds.map(({ requestId, day, tokens }) => [requestId, day, tokens]),
    unstored,
  });
}
