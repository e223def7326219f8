import { WINDOW_KINDS, windowIdOf, type WindowKind } from "../../../core/quota/windows.ts";
import { explainQuota } from "../../../core/quota/explain.ts";
import type {
  Admission,
  Consumption,
  FailureUse,
  Hold,
  LoadReply,
  QuotaLimits,
  QuotaSnapshot,
  QuotaTruth,
  QuotaUse,
  Settlement,
  SettleReply,
} from "../../../core/quota/quota.ts";

/** The counters of one window; `used` includes `held`. */
export interface WindowCounters {
  used: Consumption;
  held: Consumption;
  failed: number;
}

interface Loading {
  nonce: string;
  /** Settlements since it began, by request id; the day is that of the hold, if there was one. */
  settled: Readonly<Record<string, NotedSettlement>>;
}

interface NotedSettlement {
  billedTokens: number | null;
  failedExecutions: number;
  day: string | undefined;
}

/**
 * What the Lua scripts do to one user, as pure functions from state to state: the specification that the
 * property tests hold them against. Keys are window ids and request ids. Time-outs of keys are left out.
 */
export interface QuotaModel {
  isKnown: boolean;
  /**
   * A bill may be missing, because a load or a settlement found no hold for it: known for two seconds only.
   * (Two seconds after its load a user is forgotten at once; a model without time leaves that out.)
   */
  isUnsure: boolean;
  limits: QuotaLimits;
  windows: Readonly<Record<string, WindowCounters>>;
  holds: Readonly<Record<string, Hold>>;
  loading: Loading | undefined;
}

const NOTHING: Consumption = { requests: 0, tokens: 0 };
const NO_LIMITS: QuotaLimits = {
  windows: { daily: { requests: null, tokens: null }, monthly: { requests: null, tokens: null } },
  failedExecutions: { daily: null, monthly: null },
  concurrentRequests: null,
};

/** A user that Redis has never heard of: also what a flush leaves. */
export const UNKNOWN_USER: QuotaModel = {
  isKnown: false,
  isUnsure: false,
  limits: NO_LIMITS,
  windows: {},
  holds: {},
  loading: undefined,
};

export function admitInModel(
  model: QuotaModel,
  { userId, requestId, tokens }: Admission,
  atMs: number,
  day: string,
): [QuotaModel, "admitted" | "refused" | "unknown"] {
  if (!model.isKnown) return [model, "unknown"];
  if (requestId in model.holds) return [model, "admitted"];
  const { refusals } = explainQuota(snapshotOfModel(model, atMs, day), tokens);
  if (refusals.length > 0) return [model, "refused"];
  const amount = { requests: 1, tokens };
  return [
    {
      ...model,
      windows: addTo(model.windows, day, amount, amount),
      holds: { ...model.holds, [requestId]: { userId, requestId, day, tokens } },
    },
    "admitted",
  ];
}

export function settleInModel(
  model: QuotaModel,
  { requestId, billedTokens, failedExecutions, expectHold }: Settlement,
): [QuotaModel, SettleReply] {
  const hold = model.holds[requestId];
  const noted = { billedTokens, failedExecutions, day: hold?.day };
  const loading = model.loading && noteSettled(model.loading, requestId, noted);
  if (hold === undefined) {
    const isLost = expectHold && model.isKnown;
    return [{ ...model, loading, isUnsure: model.isUnsure || isLost }, "absent"];
  }
  const { [requestId]: _, ...holds } = model.holds;
  const usedChange =
    billedTokens === null
      ? { requests: -1, tokens: -hold.tokens }
      : { requests: 0, tokens: billedTokens - hold.tokens };
  const heldChange = { requests: -1, tokens: -hold.tokens };
  const windows = addTo(model.windows, hold.day, usedChange, heldChange, {
    onlyPresent: true,
    failed: failedExecutions,
  });
  return [{ ...model, holds, windows, loading }, "settled"];
}

/** Joins the loading under way or opens one; the nonce is undefined when the user is known already. */
export function beginLoadInModel(
  model: QuotaModel,
  nonce: string,
): [QuotaModel, string | undefined] {
  if (model.isKnown) return [model, undefined];
  const loading = model.loading ?? { nonce, settled: {} };
  return [{ ...model, loading }, loading.nonce];
}

export function loadInModel(
  model: QuotaModel,
  nonce: string,
  truth: QuotaTruth,
  today: string,
): [QuotaModel, LoadReply] {
  if (model.isKnown) return [model, "already"];
  if (model.loading?.nonce !== nonce) return [model, "superseded"];
  const { settled } = model.loading;
  let windows = addTo({}, today, NOTHING, NOTHING);
  const holds: Record<string, Hold> = {};
  const charge = (day: string, used: Consumption, held: Consumption, failed = 0): void => {
    windows = addTo(windows, day, used, held, { notBefore: today, failed });
  };
  const hold = (open: Hold): void => {
    const amount = { requests: 1, tokens: open.tokens };
    charge(open.day, amount, amount);
    holds[open.requestId] = open;
  };
  const bill = (day: string, { billedTokens, failedExecutions }: NotedSettlement): void => {
    if (billedTokens === null) return;
    charge(day, { requests: 1, tokens: billedTokens }, NOTHING, failedExecutions);
  };

  for (const { day, requests, tokens, failedExecutions } of truth.days)
    charge(day, { requests, tokens }, NOTHING, failedExecutions);
  for (const open of truth.holds) {
    const settlement = settled[open.requestId];
    if (settlement === undefined) hold(open);
    else bill(open.day, settlement);
  }
  for (const requestId of truth.unstored ?? []) {
    const kept = model.holds[requestId];
    const settlement = settled[requestId];
    if (kept !== undefined) hold(kept);
    else if (settlement?.day !== undefined) bill(settlement.day, settlement);
  }
  const open = new Set(truth.holds.map(({ requestId }) => requestId));
  const isUnsure = Object.entries(settled).some(
    ([requestId, { billedTokens, day }]) =>
      billedTokens !== null && day === undefined && !open.has(requestId),
  );
  const { limits } = truth;
  return [{ isKnown: true, isUnsure, limits, windows, holds, loading: undefined }, "loaded"];
}

export function setLimitsInModel(model: QuotaModel, limits: QuotaLimits): QuotaModel {
  return { ...model, limits: model.isKnown ? limits : model.limits, loading: undefined };
}

export function forgetInModel(model: QuotaModel): QuotaModel {
  return { ...model, isKnown: false, loading: undefined };
}

/** What an admission tells: of failed executions only when they refuse it. */
export function useOfModel(
  model: QuotaModel,
  atMs: number,
  day: string,
  outcome: "admitted" | "refused",
): QuotaUse {
  const windowOf = (kind: WindowKind) => ({
    limit: model.limits.windows[kind],
    used: model.windows[windowIdOf(kind, day)]?.used ?? NOTHING,
  });
  return {
    atMs,
    day,
    windows: { daily: windowOf("daily"), monthly: windowOf("monthly") },
    openRequests: Object.keys(model.holds).length,
    concurrentRequests: model.limits.concurrentRequests,
    failedExecutions: outcome === "refused" ? longestExceeded(failuresOfModel(model, day)) : {},
  };
}

function longestExceeded(
  failures: Record<WindowKind, FailureUse>,
): Partial<Record<WindowKind, FailureUse>> {
  const window = WINDOW_KINDS.toReversed().find((kind) => {
    const { limit, used } = failures[kind];
    return limit !== null && used >= limit;
  });
  return window === undefined ? {} : { [window]: failures[window] };
}

function failuresOfModel(model: QuotaModel, day: string): Record<WindowKind, FailureUse> {
  const failuresOf = (kind: WindowKind) => ({
    limit: model.limits.failedExecutions[kind],
    used: model.windows[windowIdOf(kind, day)]?.failed ?? 0,
  });
  return { daily: failuresOf("daily"), monthly: failuresOf("monthly") };
}

export function snapshotOfModel(model: QuotaModel, atMs: number, day: string): QuotaSnapshot {
  const { windows, ...use } = useOfModel(model, atMs, day, "admitted");
  const windowOf = (kind: WindowKind) => ({
    ...windows[kind],
    held: model.windows[windowIdOf(kind, day)]?.held ?? NOTHING,
  });
  return {
    ...use,
    windows: { daily: windowOf("daily"), monthly: windowOf("monthly") },
    failedExecutions: failuresOfModel(model, day),
  };
}

/** Settlements of one request after the first change nothing. */
function noteSettled(loading: Loading, requestId: string, settlement: NotedSettlement): Loading {
  if (requestId in loading.settled) return loading;
  return { ...loading, settled: { ...loading.settled, [requestId]: settlement } };
}

/** Adds to the windows of `day`; to those that are not over at `notBefore`, or to those that are there. */
function addTo(
  windows: QuotaModel["windows"],
  day: string,
  used: Consumption,
  held: Consumption,
  {
    notBefore,
    onlyPresent = false,
    failed = 0,
  }: { notBefore?: string; onlyPresent?: boolean; failed?: number } = {},
): QuotaModel["windows"] {
  const changed = { ...windows };
  for (const kind of WINDOW_KINDS) {
    const id = windowIdOf(kind, day);
    const before = windows[id];
    if (notBefore !== undefined && id < windowIdOf(kind, notBefore)) continue;
    if (onlyPresent && before === undefined) continue;
    changed[id] = {
      used: sum(before?.used ?? NOTHING, used),
      held: sum(before?.held ?? NOTHING, held),
      failed: (before?.failed ?? 0) + failed,
    };
  }
  return changed;
}

function sum(left: Consumption, right: Consumption): Consumption {
  return { requests: left.requests + right.requests, tokens: left.tokens + right.tokens };
}
