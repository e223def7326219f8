import { isTerminal } from "../core/request/request.ts";
import { simulatedAnswer } from "./simulated-answer.ts";
import type { FaultCode } from "../core/faults.ts";
import type { Facts, LedgerFact, RequestFact } from "./facts.ts";
import { LOAD_MAX_TOKENS } from "./load.ts";
import { endOf, type Operation } from "./operations.ts";
import { findUnfair, type Shares, sharesOf, type SharesWish } from "./shares.ts";
import { findLate, type WaitBound, type Waits, waitsOf } from "./waits.ts";

/** In which nothing that uses up an attempt may end. */
const NO_EXECUTIONS: ReadonlySet<string> = new Set([
  "UPSTREAM_UNREACHABLE",
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_BUSY",
  "UPSTREAM_REFUSED",
] satisfies FaultCode[]);

/** What a run came to, in the words of the checker of RabbitMQ's own Jepsen tests where they fit. */
export interface CheckReport {
  attempted: number;
  /** Operations that got 202. */
  acknowledged: number;
  /** Acknowledged and ended, once. */
  ok: number;
  /** The client never learnt of a 202, and the request ended nevertheless. */
  recovered: number;
  states: Record<string, number>;
  /** Why requests failed. */
  errors: Record<string, number>;
  /** Acknowledged without a row, or any request that has not ended. */
  lost: string[];
  /** Operations that became more than one request. */
  duplicated: string[];
  /** Requests that nobody asked for, or that were refused. */
  unexpected: string[];
  /**
   * Billed twice, not at all, for nothing, or another amount than the ML service said; executed in vain, and
   * not counted so.
   */
  misbilled: string[];
  /** Ends that a client read and that were different later or for others. */
  changed: string[];
  /** Failed or expired although only the ML service was away: no caller of the load sets a limit. */
  impatient: string[];
  /** Waits that took longer than they may, while another model is down or another user floods. */
  late: string[];
  /** Shares that do not follow the weights. */
  unfair: string[];
  /** How long requests took, by the group of their operation. */
  waits: Record<string, Waits>;
  /** What users got of a model while all of them waited. */
  shares: Shares[];
  /** What the audit finds. */
  differences: string[];
  driftTokens: number;
  holdsLeft: number;
  /** Messages left in queues other than the dead letters. */
  messagesLeft: number;
  deadLetters: number;
  tokens: { ledger: number; simulator: number };
}

/** What must be empty or 0 for a run to have passed. */
export const VIOLATIONS = [
  "lost",
  "duplicated",
  "unexpected",
  "misbilled",
  "changed",
  "impatient",
  "late",
  "unfair",
  "differences",
  "driftTokens",
  "holdsLeft",
  "messagesLeft",
] as const satisfies readonly (keyof CheckReport)[];

export type Violation = (typeof VIOLATIONS)[number];

/** The kinds of violations that a report shows; none: the run has passed. */
export function violationsOf(report: CheckReport): Violation[] {
  return VIOLATIONS.filter((kind) => {
    const found = report[kind];
    return Array.isArray(found) ? found.length > 0 : found !== 0;
  });
}

function count<Item>(
  items: Iterable<Item>,
  nameOf: (item: Item) => string | null,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) {
    const name = nameOf(item);
    if (name !== null) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** What must hold of waits and shares besides what always must. */
export interface Expectations {
  waits: Readonly<Record<string, WaitBound>>;
  shares: readonly SharesWish[];
}

const NOTHING_MORE: Expectations = { waits: {}, shares: [] };

/** Compares what clients saw with what the servers have after everything has gone quiet. */
export function checkRun(
  operations: ReadonlyMap<number, Operation>,
  facts: Facts,
  expectations: Expectations = NOTHING_MORE,
): CheckReport {
  const byId = new Map(facts.requests.map((request) => [request.requestId, request]));
  const report = emptyReport(operations.size, facts);
  const owned = judgeOperations(operations, facts, byId, report);
  for (const { requestId, state } of facts.requests) {
    if (!owned.has(requestId)) report.unexpected.push(`${requestId}: nobody asked for it`);
    if (!isTerminal(state)) report.lost.push(`${requestId}: still ${state}`);
  }
  report.misbilled.push(...findMisbilled(facts, byId, owned));
  report.waits = waitsOf(owned, facts.requests);
  report.late = findLate(report.waits, expectations.waits);
  report.shares = expectations.shares.map((wish) => sharesOf(facts.requests, wish));
  report.unfair = report.shares.flatMap(findUnfair);
  return report;
}

function emptyReport(attempted: number, facts: Facts): CheckReport {
  return {
    attempted,
    acknowledged: 0,
    ok: 0,
    recovered: 0,
    states: count(facts.requests, ({ state }) => state),
    errors: count(facts.requests, ({ errorCode }) => errorCode),
    lost: [],
    duplicated: [],
    unexpected: [],
    misbilled: [],
    changed: [],
    impatient: findImpatient(facts.requests),
    late: [],
    unfair: [],
    waits: {},
    shares: [],
    differences: facts.audit.differences.map((difference) => JSON.stringify(difference)),
    driftTokens: facts.audit.driftTokens,
    holdsLeft: facts.holdsLeft,
    ...countMessages(facts.depths),
    tokens: {
      ledger: facts.ledger.reduce((sum, row) => sum + row.promptTokens + row.completionTokens, 0),
      simulator: facts.simulator.prompt_tokens + facts.simulator.completion_tokens,
    },
  };
}

/** Fills in what became of each operation; returns which request belongs to which. */
function judgeOperations(
  operations: ReadonlyMap<number, Operation>,
  facts: Facts,
  byId: ReadonlyMap<string, RequestFact>,
  report: CheckReport,
): Map<string, Operation> {
  const byKey = new Map<string, RequestFact>();
  for (const request of facts.requests)
    if (request.keyHash !== null) byKey.set(request.keyHash, request);
  const owned = new Map<string, Operation>();
  for (const operation of operations.values()) {
    const { op, acknowledged } = operation;
    const stored = byKey.get(facts.hashOfKey(operation.userId, operation.key));
    const ids = new Set(acknowledged);
    if (stored !== undefined) ids.add(stored.requestId);
    if (ids.size > 1) report.duplicated.push(`operation ${op}: ${[...ids].join(", ")}`);
    for (const id of ids) owned.set(id, operation);
    report.changed.push(...findChanged(operation, stored));

    const missing = [...acknowledged].filter((id) => !byId.has(id));
    report.lost.push(...missing.map((id) => `${id}: acknowledged, and there is no row`));
    if (acknowledged.size > 0) {
      report.acknowledged += 1;
      if (missing.length === 0) report.ok += 1;
    } else if (stored !== undefined && operation.unknownCalls > 0) report.recovered += 1;
    else if (stored !== undefined)
      report.unexpected.push(`${stored.requestId}: refused and stored nevertheless`);
  }
  return owned;
}

/** An end that was read stays, and a result is the one that the simulator gives for the prompt. */
function findChanged({ op, ends, prompt }: Operation, stored: RequestFact | undefined): string[] {
  if (ends.size === 0) return [];
  if (ends.size > 1 || stored === undefined)
    return [`operation ${op}: ${[...ends].join(" then ")}`];
  const { state, totalTokens } = stored;
  const text = state === "completed" ? simulatedAnswer(prompt, LOAD_MAX_TOKENS).text : null;
  const now = endOf(state, totalTokens, text);
  return ends.has(now) ? [] : [`operation ${op}: ${[...ends].join()} then ${now}`];
}

/** Only executions count as attempts, and callers of the load let their requests wait for a day. */
function findImpatient(requests: readonly RequestFact[]): string[] {
  return requests.flatMap(({ requestId, state, errorCode }) => {
    if (state === "expired") return [`${requestId}: expired`];
    const isImpatient = state === "failed" && NO_EXECUTIONS.has(errorCode ?? "");
    return isImpatient ? [`${requestId}: failed by ${errorCode}`] : [];
  });
}

function countMessages(
  depths: Record<string, number>,
): Pick<CheckReport, "messagesLeft" | "deadLetters"> {
  let messagesLeft = 0;
  let deadLetters = 0;
  for (const [queue, ready] of Object.entries(depths)) {
    if (queue.endsWith(".dead")) deadLetters += ready;
    else messagesLeft += ready;
  }
  return { messagesLeft, deadLetters };
}

/** The ledger against the requests, and each amount against what the simulator says for that prompt. */
function findMisbilled(
  { ledger, requests }: Facts,
  byId: ReadonlyMap<string, RequestFact>,
  owned: ReadonlyMap<string, Operation>,
): string[] {
  const misbilled: string[] = [];
  const billed = new Map<string, LedgerFact>();
  for (const row of ledger) {
    const { requestId } = row;
    if (billed.has(requestId)) misbilled.push(`${requestId}: billed twice`);
    billed.set(requestId, row);
    const request = byId.get(requestId);
    if (request === undefined) misbilled.push(`${requestId}: billed, and there is no request`);
    else if (request.state !== "completed" && !isInVain(row, request))
      misbilled.push(`${requestId}: billed although ${request.state}`);
  }
  for (const { requestId, state, attempts } of requests) {
    const row = billed.get(requestId);
    const prompt = owned.get(requestId)?.prompt;
    if (state === "completed" && row === undefined) misbilled.push(`${requestId}: never billed`);
    if (state === "failed" && attempts > 0 && row === undefined)
      misbilled.push(`${requestId}: executed in vain, and the ledger does not know of it`);
    if (row === undefined || prompt === undefined || state !== "completed") continue;
    const { promptTokens, completionTokens } = simulatedAnswer(prompt, LOAD_MAX_TOKENS);
    if (row.promptTokens !== promptTokens || row.completionTokens !== completionTokens)
      misbilled.push(
        `${requestId}: billed ${row.promptTokens} + ${row.completionTokens}, ` +
          `used ${promptTokens} + ${completionTokens}`,
      );
  }
  return misbilled;
}

/** What a row must say of a request that was executed in vain: no tokens, and each execution failed. */
function isInVain(row: LedgerFact, { state, attempts }: RequestFact): boolean {
  const { promptTokens, completionTokens, executions, failedExecutions } = row;
  const isFree = promptTokens === 0 && completionTokens === 0;
  const isCounted = executions === attempts && failedExecutions === attempts && attempts > 0;
  return (state === "failed" || state === "cancelled") && isFree && isCounted;
}
