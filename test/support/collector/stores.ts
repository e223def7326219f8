import type { Finish, FinishReply } from "../../../core/request/finish.ts";
import { Fault } from "../../../core/faults.ts";
import type { Hold, Settlement, SettleReply } from "../../../core/quota/quota.ts";
import { type DurableState, isTerminal, type RequestHead } from "../../../core/request/request.ts";

export interface FakeRequest {
  head: RequestHead;
  state: DurableState;
  errorCode: string | null;
}

/** PostgreSQL: requests, and a ledger that takes every row it is given, so that a double bill shows. */
export interface FakePostgres {
  requests: Map<string, FakeRequest>;
  ledger: { requestId: string; tokens: number }[];
  /** While true nothing is answered. */
  isDown: boolean;
  /** The next so many transactions commit, but their answer is lost. */
  answersLost: number;
  /** Requests whose results cannot be stored. */
  poison: Set<string>;
  transactions: number;
  finishRequests: (finishes: Finish[]) => Promise<FinishReply[]>;
}

export class FakeDataFault extends Error {}

export function createFakePostgres(): FakePostgres {
  const db: FakePostgres = {
    requests: new Map(),
    ledger: [],
    isDown: false,
    answersLost: 0,
    poison: new Set(),
    transactions: 0,
    finishRequests: async (finishes) => {
      db.transactions += 1;
      if (db.isDown) throw new Fault("STORE_UNAVAILABLE", "the store does not answer");
      const isBad = (finish: Finish): boolean =>
        db.poison.has(finish.requestId) && finish.state === "completed";
      if (finishes.some(isBad)) throw new FakeDataFault("a value does not fit");
      const replies = finishes.map(finishOne);
      if (db.answersLost > 0) {
        db.answersLost -= 1;
        throw new Fault("STORE_UNAVAILABLE", "the answer was lost");
      }
      return replies;
    },
  };

  function finishOne(finish: Finish): FinishReply {
    const request = db.requests.get(finish.requestId);
    if (request === undefined) return "unknown";
    const moved = !isTerminal(request.state);
    if (moved) {
      request.state = finish.state;
      request.errorCode = finish.error?.code ?? null;
      if (finish.usage !== null) {
        const { promptTokens, completionTokens } = finish.usage;
        const tokens = promptTokens + completionTokens;
        db.ledger.push({ requestId: finish.requestId, tokens });
      }
    }
    const { requestId, userId, windowDay, estimatedTokens } = request.head;
    const state = isTerminal(request.state) ? request.state : finish.state;
    const billedTokens = db.ledger.find((row) => row.requestId === requestId)?.tokens ?? null;
    return { requestId, moved, state, userId, windowDay, estimatedTokens, billedTokens };
  }

  return db;
}

/** Redis: holds and what each user has used, holds included. */
export interface FakeRedis {
  holds: Map<string, Hold>;
  used: Map<string, number>;
  /** Users that an absent hold made it forget. */
  forgotten: Set<string>;
  isDown: boolean;
  /** Users of whom it stores something that is not ours. */
  broken: Set<string>;
  settles: number;
  settle: (settlements: Settlement[]) => Promise<SettleReply[]>;
  take: (head: RequestHead) => void;
}

export function createFakeRedis(): FakeRedis {
  const redis: FakeRedis = {
    holds: new Map(),
    used: new Map(),
    forgotten: new Set(),
    isDown: false,
    broken: new Set(),
    settles: 0,
    take: ({ requestId, userId, windowDay: day, estimatedTokens: tokens }) => {
      redis.holds.set(requestId, { requestId, userId, day, tokens });
      redis.used.set(userId, (redis.used.get(userId) ?? 0) + tokens);
    },
    settle: async (settlements) => {
      if (redis.isDown) throw new Fault("QUOTA_UNAVAILABLE", "the quota store does not answer");
      return settlements.map(settleOne);
    },
  };

  function settleOne({ requestId, userId, billedTokens, expectHold }: Settlement): SettleReply {
    if (redis.broken.has(userId)) {
      redis.forgotten.add(userId);
      return "broken";
    }
    const hold = redis.holds.get(requestId);
    if (hold === undefined) {
      if (expectHold) redis.forgotten.add(userId);
      return "absent";
    }
    redis.settles += 1;
    redis.holds.delete(requestId);
    const used = redis.used.get(userId) ?? 0;
    redis.used.set(userId, used - hold.tokens + (billedTokens ?? 0));
    return "settled";
  }

  return redis;
}
