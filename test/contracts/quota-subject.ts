import { expect } from "bun:test";

import type { HoldBooks } from "../../adapters/redis/holds.ts";
import type { QuotaStore } from "../../adapters/redis/quota-store.ts";
import type { RequestHints } from "../../adapters/redis/request-hints.ts";
import type { LoadTicket, QuotaLimits, QuotaTruth } from "../../core/quota/quota.ts";
import { freshTruth, newId } from "../support/quota-samples.ts";

/** The quota port, on a server that the suite may disturb. */
export interface QuotaSubject {
  quota: QuotaStore;
  /** The same quotas, as another process reaches them. */
  other: QuotaStore;
  holds: HoldBooks;
  hints: Pick<RequestHints, "markStarted" | "readStarted">;
  /** What admissions, readings and loads take for now; null: the server's clock, which is this machine's. */
  setClock: (atMs: number | null) => void;
  /** The server starts again with what it had stored. */
  restart: () => void;
  /** Nothing that is sent from now on reaches the server. */
  setAway: (isAway: boolean) => Promise<void>;
  /** The last load of the user becomes so much older. */
  ageLoad: (userId: string, ms: number) => Promise<void>;
  /** Milliseconds until the user is forgotten. */
  knownForMs: (userId: string) => Promise<number>;
  /** Stores something of the user, who has that hold, that is not ours. */
  damage: (kind: string, userId: string, requestId: string) => Promise<void>;
  stop: () => Promise<void>;
}

/** What the tests of the quota do again and again. Each throws when it does not come true. */
export interface QuotaActs {
  subject: () => QuotaSubject;
  /** Returns the id of a new user. */
  loadUser: (truth: QuotaTruth) => Promise<string>;
  loadFresh: (limits: QuotaLimits) => Promise<string>;
  beginLoad: (userId: string) => Promise<LoadTicket>;
  /** Returns the id of the request that was admitted. */
  admit: (userId: string, tokens: number) => Promise<string>;
  /** Of the day and of the month. */
  usedTokens: (userId: string) => Promise<(number | undefined)[]>;
}

export function createQuotaActs(subject: () => QuotaSubject): QuotaActs {
  async function loadUser(truth: QuotaTruth): Promise<string> {
    const userId = newId();
    const ticket = await beginLoad(userId);
    expect(await subject().quota.load(userId, ticket, truth)).toBe("loaded");
    return userId;
  }
  const loadFresh = (limits: QuotaLimits) => loadUser(freshTruth(limits));

  async function beginLoad(userId: string) {
    const ticket = await subject().quota.beginLoad(userId);
    if (ticket === undefined) throw new Error("the user is loaded already");
    return ticket;
  }

  async function admit(userId: string, tokens: number): Promise<string> {
    const requestId = newId();
    const { kind } = await subject().quota.admit({ userId, requestId, tokens });
    if (kind !== "admitted") throw new Error(`the request is ${kind}`);
    return requestId;
  }

  async function usedTokens(userId: string) {
    const snapshot = await subject().quota.read(userId);
    return [snapshot?.windows.daily.used.tokens, snapshot?.windows.monthly.used.tokens];
  }

  return { subject, loadUser, loadFresh, beginLoad, admit, usedTokens };
}
