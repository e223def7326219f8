import { PRIORITIES } from "../../../core/queue/fair-order.ts";
import type { OwnPlace } from "../../../core/queue/waiting.ts";
import type { Usage } from "../../../core/quota/usage.ts";
import { type Finish, type Finished, ledgerEntryOf } from "../../../core/request/finish.ts";
import type { QueuedRequest } from "../../../core/request/messages.ts";
import { isTerminal } from "../../../core/request/request.ts";
import type {
  ListedRequest,
  NewRequest,
  Page,
  StoredRequest,
} from "../../../core/request/stored-request.ts";

/** A request, and how it ended. */
export interface FakeRow extends NewRequest {
  end: Finish | null;
}

export const byId = (a: FakeRow, b: FakeRow): number =>
  a.head.requestId < b.head.requestId ? -1 : 1;

export function stateOf({ end }: FakeRow): StoredRequest["state"] {
  return end?.state ?? "queued";
}

export function finishedOf(
  { head: { requestId, userId, windowDay, estimatedTokens }, end }: FakeRow,
  moved: boolean,
): Finished {
  const state = end?.state;
  if (state === undefined || !isTerminal(state)) throw new Error("the request has not ended");
  return { requestId, moved, state, userId, windowDay, estimatedTokens, ...billOf(end) };
}

/** What the ledger has of a request that ended so; null: it is open. */
export function billOf(end: Finish | null): Pick<Finished, "billedTokens" | "failedExecutions"> {
  const entry = end && ledgerEntryOf(end);
  if (entry === null) return { billedTokens: null, failedExecutions: 0 };
  const { promptTokens, completionTokens, failedExecutions } = entry;
  return { billedTokens: promptTokens + completionTokens, failedExecutions };
}

export function queuedOf({ head, prompt, priority }: NewRequest): QueuedRequest {
  return { head, attempt: 1, payload: prompt, ...(priority !== "normal" && { priority }) };
}

/** As many are counted, and no more. */
const AHEAD_MAX = 1_000;

/** Where a parked request stands among those of its user; undefined: it is not parked. */
export function placeIn(rows: readonly FakeRow[], requestId: string): OwnPlace | undefined {
  const own = rows.find(({ head }) => head.requestId === requestId);
  if (own === undefined || !own.isParked) return undefined;
  const line = rows
    .filter(({ head, isParked }) => {
      const { userId, model } = own.head;
      return isParked && head.userId === userId && head.model === model;
    })
    .toSorted(byTurn);
  const ownAhead = Math.min(AHEAD_MAX, line.indexOf(own));
  return { ownAhead, attemptsMade: 0, lastError: null };
}

function byTurn(a: FakeRow, b: FakeRow): number {
  const urgency = ({ priority }: FakeRow): number => PRIORITIES.indexOf(priority);
  return urgency(a) - urgency(b) || a.head.expiresAtMs - b.head.expiresAtMs || byId(a, b);
}

export function storedOf(row: FakeRow): StoredRequest {
  const { result = null, errorDetail = null } = row.end ?? {};
  return { ...listedOf(row), result, errorDetail };
}

export function listedOf(row: FakeRow): ListedRequest {
  const { head, metadata, end } = row;
  const { promptTokens = null, completionTokens = null } = end?.usage ?? {};
  const isBilled = promptTokens !== null && completionTokens !== null;
  return {
    requestId: head.requestId,
    userId: head.userId,
    model: head.model,
    state: stateOf(row),
    estimatedTokens: head.estimatedTokens,
    promptTokens,
    completionTokens,
    totalTokens: isBilled ? promptTokens + completionTokens : null,
    attempts: end?.attempts ?? 0,
    createdAtMs: head.createdAtMs,
    startedAtMs: end?.startedAtMs ?? null,
    completedAtMs: end?.completedAtMs ?? null,
    errorCode: end?.error?.code ?? null,
    errorMessage: end?.error?.message ?? null,
    metadata,
  };
}

export function sumUsage(rows: FakeRow[], by: "day" | "model"): Usage[] {
  const sums = new Map<string, Omit<Usage, "key" | "totalTokens">>();
  for (const { head, end } of rows) {
    const entry = end && ledgerEntryOf(end);
    if (entry === null) continue;
    const key = by === "day" ? head.windowDay : head.model;
    const sum = sums.get(key) ?? {
      requests: 0,
      failedRequests: 0,
      promptTokens: 0,
      completionTokens: 0,
      cachedTokens: 0,
      reasoningTokens: 0,
    };
    sum.promptTokens += entry.promptTokens;
    sum.completionTokens += entry.completionTokens;
    sum.cachedTokens += entry.cachedTokens;
    sum.reasoningTokens += entry.reasoningTokens;
    sum[entry.source === "failed" ? "failedRequests" : "requests"] += 1;
    sums.set(key, sum);
  }
  return [...sums]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, sum]) => ({ key, ...sum, totalTokens: sum.promptTokens + sum.completionTokens }));
}

export function sumWaiting(rows: FakeRow[]) {
  const byModel = Map.groupBy(rows, ({ head }) => head.model);
  return [...byModel.keys()].toSorted().map((model) => {
    const heads = (byModel.get(model) ?? []).map(({ head }) => head);
    return {
      model,
      requests: heads.length,
      tokens: heads.reduce((sum, { estimatedTokens }) => sum + estimatedTokens, 0),
      oldestCreatedAtMs: Math.min(...heads.map(({ createdAtMs }) => createdAtMs)),
    };
  });
}

/** Those that expire first in front; the cursor is the place of the last one. */
export function pageOf<Item>(
  rows: FakeRow[],
  after: string | null,
  limit: number,
  itemOf: (row: FakeRow) => Item,
): Page<Item> {
  const placeOf = ({ head: { expiresAtMs, requestId } }: FakeRow): string =>
    `${String(expiresAtMs).padStart(16, "0")}/${requestId}`;
  const page = rows
    .toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
    .filter((row) => after === null || placeOf(row) > after)
    .slice(0, limit);
  const last = page.at(-1);
  const isFull = last !== undefined && page.length === limit;
  return { items: page.map(itemOf), next: isFull ? placeOf(last) : null };
}
