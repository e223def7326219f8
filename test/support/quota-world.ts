import { type QuotaModel, UNKNOWN_USER } from "./fakes/quota-model.ts";
import * as modelOf from "./fakes/quota-model.ts";
import type {
  LedgerDay,
  LoadTicket,
  QuotaLimits,
  QuotaTruth,
  Settlement,
} from "../../core/quota/quota.ts";
import { dayOf, windowIdOf } from "../../core/quota/windows.ts";

/** One request as PostgreSQL would know it; `held`: the accept has not committed yet. */
interface WorldRequest {
  day: string;
  tokens: number;
  state: "held" | "stored" | "ended";
  billedTokens: number | null;
  failedExecutions: number;
  /** Whether the collector has sent the settlement. */
  isSettled: boolean;
}

interface Loader {
  ticket: LoadTicket;
  truth: QuotaTruth | undefined;
}

/**
 * Everything around the quota of one user in a property test: the clock, PostgreSQL, loaders under way, and
 * the model.
 */
export interface QuotaWorld {
  userId: string;
  nowMs: number;
  limits: QuotaLimits;
  requests: Map<string, WorldRequest>;
  loaders: Loader[];
  model: QuotaModel;
}

export function createWorld(userId: string, nowMs: number, limits: QuotaLimits): QuotaWorld {
  return { userId, nowMs, limits, requests: new Map(), loaders: [], model: UNKNOWN_USER };
}

export const todayOf = (world: QuotaWorld): string => dayOf(world.nowMs);

/** Ids of the requests that fulfil a condition, oldest first. */
export function idsWhere(world: QuotaWorld, fulfils: (request: WorldRequest) => boolean): string[] {
  return [...world.requests].filter(([, request]) => fulfils(request)).map(([id]) => id);
}

/** What a reading of PostgreSQL would answer now. */
export function readWorldTruth(world: QuotaWorld, recentRequestIds: string[]): QuotaTruth {
  const days = new Map<string, LedgerDay>();
  const holds: QuotaTruth["holds"] = [];
  for (const [requestId, request] of world.requests) {
    const { day, tokens, state, billedTokens, failedExecutions } = request;
    if (state === "stored") holds.push({ userId: world.userId, requestId, day, tokens });
    if (state !== "ended" || billedTokens === null) continue;
    const sum = days.get(day) ?? { day, requests: 0, tokens: 0, failedExecutions: 0 };
    days.set(day, {
      day,
      requests: sum.requests + 1,
      tokens: sum.tokens + billedTokens,
      failedExecutions: sum.failedExecutions + failedExecutions,
    });
  }
  const unstored = recentRequestIds.filter(
    (id) => (world.requests.get(id)?.state ?? "held") === "held",
  );
  return { limits: world.limits, days: [...days.values()], holds, unstored };
}

/** Ledger sum of the window of a kind that is open now. */
export function ledgerOf(world: QuotaWorld, kind: "daily" | "monthly") {
  const open = windowIdOf(kind, todayOf(world));
  const days = readWorldTruth(world, []).days.filter(({ day }) => windowIdOf(kind, day) === open);
  return {
    requests: days.reduce((sum, { requests }) => sum + requests, 0),
    tokens: days.reduce((sum, { tokens }) => sum + tokens, 0),
    failedExecutions: days.reduce((sum, { failedExecutions }) => sum + failedExecutions, 0),
  };
}

/** Applies a settlement to the model; answers what Redis must answer. */
export function settleInWorld(world: QuotaWorld, settlement: Settlement): string {
  const [model, reply] = modelOf.settleInModel(world.model, settlement);
  world.model = model;
  return reply;
}
