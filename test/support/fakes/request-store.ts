import type { KeeperPorts } from "../../../collector/ports.ts";
import type { Finish, FinishReply } from "../../../core/request/finish.ts";
import type { InsertOutcome, NewRequest, Replay } from "../../../core/request/stored-request.ts";
import type { GatewayPorts } from "../../../gateway/ports.ts";
import { createFakeOutboxes, type FakeOutboxes } from "./outboxes.ts";
import {
  billOf,
  byId,
  type FakeRow,
  finishedOf,
  listedOf,
  pageOf,
  placeIn,
  queuedOf,
  stateOf,
  storedOf,
  sumUsage,
  sumWaiting,
} from "./request-rows.ts";
import type { FakeServer } from "./server.ts";

/** The ports of the services that PostgreSQL stands behind, keys and users aside. */
export type RequestStore = Pick<
  GatewayPorts,
  | "insertRequests"
  | "findReplay"
  | "claimCall"
  | "letGoCall"
  | "isCallHeld"
  | "discardRequests"
  | "readQueued"
  | "findRequests"
  | "listRequests"
  | "finishRequests"
  | "isDataFault"
  | "readUsage"
  | "waitingByModel"
  | "parkedPlaces"
  | "parkedWork"
  | "deleteParked"
> &
  Pick<
    KeeperPorts,
    "queuedBefore" | "overdueRequests" | "standings" | "deleteIdempotencyKeysBefore"
  > &
  Omit<FakeOutboxes, "agePublisher">;

/** Requests, ledger, idempotency keys and outboxes without PostgreSQL. Ids need not be UUIDs. */
export interface FakeRequestStore extends RequestStore, FakeOutboxes {
  /** Has a request stored, whatever there was of it and whatever the server does. `end`: it has ended so. */
  put: (row: NewRequest, end?: Finish) => void;
  /** Oldest first. */
  rows: () => FakeRow[];
  row: (requestId: string) => FakeRow | undefined;
  /** In the order of the bills. */
  ledger: () => { requestId: string; tokens: number; failedExecutions: number }[];
  /** Requests whose results cannot be stored, whatever they are. */
  poison: Set<string>;
}

interface IdempotencyKey {
  fingerprint: string;
  userId: string;
  /** Of a call: how often it was repeated, and whether somebody waits for it. */
  call?: { tries: number; isHeld: boolean };
  requestId: string;
  createdAtMs: number;
}

/** What `isDataFault` knows: a value that cannot be stored. */
class FakeDataFault extends Error {}

interface FakeRequestStoreOptions {
  server: FakeServer;
  /** Clock of the server, Unix milliseconds. */
  now: () => number;
}

export function createFakeRequestStore({ server, now }: FakeRequestStoreOptions): FakeRequestStore {
  const rows = new Map<string, FakeRow>();
  const keys = new Map<string, IdempotencyKey>();
  /** Ids, in the order of the bills. */
  const billed = new Set<string>();
  const poison = new Set<string>();

  const inOrder = (): FakeRow[] => [...rows.values()].toSorted(byId);
  const open = (): FakeRow[] => inOrder().filter(({ end }) => end === null);
  const isKeyed = (requestId: string): boolean =>
    [...keys.values()].some((key) => key.requestId === requestId);
  const outboxes = createFakeOutboxes({ server, now, open, isKeyed });

  function insert(row: NewRequest): void {
    const { head, idempotency } = row;
    if (row.acceptUntilMs <= now()) return;
    if (idempotency !== null) {
      const key = keyOf(head.userId, idempotency.keyHash);
      if (keys.has(key)) return;
      const fingerprint = hex(idempotency.fingerprint);
      const { requestId, userId } = head;
      const { tries } = idempotency;
      const call = tries === undefined ? {} : { call: { tries, isHeld: true } };
      keys.set(key, { fingerprint, userId, requestId, createdAtMs: now(), ...call });
    }
    rows.set(head.requestId, { ...row, end: null });
  }

  function replayOf(
    userId: string,
    keyHash: Uint8Array,
    fingerprint: Uint8Array,
  ): Replay | undefined {
    const key = keys.get(keyOf(userId, keyHash));
    return key && { requestId: key.requestId, sameBody: key.fingerprint === hex(fingerprint) };
  }

  function outcomeOf({ head, idempotency }: NewRequest): InsertOutcome {
    if (rows.has(head.requestId)) return { kind: "stored" };
    const replay =
      idempotency && replayOf(head.userId, idempotency.keyHash, idempotency.fingerprint);
    return replay ? { kind: "replay", ...replay } : { kind: "late" };
  }

  function finish(wanted: Finish): FinishReply {
    const row = rows.get(wanted.requestId);
    if (row === undefined) return "unknown";
    const moved = row.end === null;
    if (moved) {
      row.end = wanted;
      if (billOf(wanted).billedTokens !== null) billed.add(wanted.requestId);
    }
    return finishedOf(row, moved);
  }

  return {
    ...outboxes,
    insertRequests: (batch) =>
      server.ask(() => {
        for (const row of batch)
          if (!canBeStored(row) || rows.has(row.head.requestId)) throw new FakeDataFault();
        for (const row of batch) insert(row);
        return batch.map(outcomeOf);
      }),
    findReplay: ({ userId, keyHash, fingerprint }) =>
      server.ask(() => replayOf(userId, keyHash, fingerprint)),
    claimCall: ({ userId, fingerprint, tries, madeAfterMs }) =>
      server.ask(() => {
        const made = [...keys.values()].filter(
          (key) =>
            key.userId === userId &&
            key.fingerprint === hex(fingerprint) &&
            key.createdAtMs > madeAfterMs &&
            key.call !== undefined &&
            key.call.tries < (tries ?? Number.POSITIVE_INFINITY),
        );
        const byTries = made.toSorted((a, b) => (b.call?.tries ?? 0) - (a.call?.tries ?? 0));
        const free = byTries.find(({ call }) => call?.isHeld === false);
        if (free === undefined) return { kind: made.length > 0 ? "held" : "none" };
        free.call = { tries: tries ?? (free.call?.tries ?? 0) + 1, isHeld: true };
        return { kind: "claimed", requestId: free.requestId };
      }),
    letGoCall: ({ requestId, isAnswered }) =>
      server.ask(() => {
        for (const key of keys.values()) {
          if (key.requestId !== requestId || key.call === undefined) continue;
          if (isAnswered) delete key.call;
          else key.call.isHeld = false;
        }
      }),
    isCallHeld: ({ requestId }) =>
      server.ask(() =>
        [...keys.values()].some((key) => key.requestId === requestId && key.call?.isHeld === true),
      ),
    discardRequests: (requestIds) =>
      server.ask(() => {
        for (const requestId of requestIds)
          if (rows.get(requestId)?.end === null && !isKeyed(requestId)) rows.delete(requestId);
        return requestIds.filter((requestId) => rows.has(requestId));
      }),
    readQueued: (requestIds) =>
      server.ask(() =>
        open()
          .filter(({ head, isParked }) => requestIds.includes(head.requestId) && !isParked)
          .map(queuedOf),
      ),
    findRequests: (lookups) =>
      server.ask(() =>
        lookups.map(({ requestId, userId }) => {
          const row = rows.get(requestId);
          return row?.head.userId === userId ? storedOf(row) : undefined;
        }),
      ),
    listRequests: ({ userId, state, before, limit }) =>
      server.ask(() =>
        inOrder()
          .toReversed()
          .filter(({ head }) => head.userId === userId)
          .filter(({ head }) => before === undefined || head.requestId < before)
          .filter((row) => state === undefined || stateOf(row) === state)
          .slice(0, limit)
          .map(listedOf),
      ),
    finishRequests: (finishes) =>
      server.ask(() => {
        for (const wanted of finishes)
          if (!canEnd(wanted) || (wanted.state === "completed" && poison.has(wanted.requestId)))
            throw new FakeDataFault();
        return finishes.map(finish);
      }),
    isDataFault: (error) => error instanceof FakeDataFault,
    readUsage: ({ userId, from, to, by }) =>
      server.ask(() => {
        const ended = inOrder().filter(({ head }) => head.userId === userId);
        return sumUsage(
          ended.filter(({ head }) => isWithin(head.windowDay, from, to)),
          by,
        );
      }),
    waitingByModel: () => server.ask(() => sumWaiting(open())),
    parkedPlaces: (requestIds) =>
      server.ask(() => requestIds.map((requestId) => placeIn(inOrder(), requestId))),
    parkedWork: (lines) =>
      server.ask(() =>
        lines.map(({ model, userId }) => {
          const own = inOrder().filter(
            ({ head, isParked }) => isParked && head.model === model && head.userId === userId,
          );
          const tokens = own.reduce((sum, { head }) => sum + head.estimatedTokens, 0);
          return { requests: own.length, tokens };
        }),
      ),
    deleteParked: (requestIds) =>
      server.ask(() => {
        for (const row of rows.values())
          if (requestIds.includes(row.head.requestId)) row.isParked = false;
      }),
    queuedBefore: (createdBeforeMs, models, after, limit) =>
      server.ask(() =>
        pageOf(
          open().filter(
            ({ head, isParked }) =>
              head.createdAtMs < createdBeforeMs && models.includes(head.model) && !isParked,
          ),
          after,
          limit,
          queuedOf,
        ),
      ),
    overdueRequests: (after, limit) =>
      server.ask(() =>
        pageOf(
          open().filter(({ head }) => head.expiresAtMs <= now()),
          after,
          limit,
          ({ head: { requestId, userId } }) => ({ requestId, userId }),
        ),
      ),
    standings: (requestIds) =>
      server.ask(() =>
        requestIds.map((requestId) => {
          const row = rows.get(requestId);
          if (row === undefined) return undefined;
          return { state: stateOf(row), ...billOf(row.end) };
        }),
      ),
    deleteIdempotencyKeysBefore: (createdBeforeMs, limit) =>
      server.ask(() => {
        const old = [...keys].filter(([, { createdAtMs }]) => createdAtMs < createdBeforeMs);
        for (const [key] of old.slice(0, limit)) keys.delete(key);
        return Math.min(old.length, limit);
      }),
    put: (row, end) => {
      rows.delete(row.head.requestId);
      insert(row);
      if (end !== undefined) finish(end);
    },
    rows: inOrder,
    row: (requestId) => rows.get(requestId),
    ledger: () =>
      [...billed].map((requestId) => {
        const { billedTokens, failedExecutions } = billOf(rows.get(requestId)?.end ?? null);
        return { requestId, tokens: billedTokens ?? 0, failedExecutions };
      }),
    poison,
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const keyOf = (userId: string, keyHash: Uint8Array): string => `${userId}/${hex(keyHash)}`;
const isWithin = (day: string, from: string, to: string): boolean => from <= day && day <= to;
const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0;

/** The constraints of the table, as far as a caller can come to violate them. */
function canBeStored({ head: { model, estimatedTokens } }: NewRequest): boolean {
  return isCount(estimatedTokens) && !model.includes("\0");
}

function canEnd({ state, result, attempts, usage }: Finish): boolean {
  const counts = usage === null ? [] : [usage.promptTokens, usage.completionTokens];
  return (state === "completed") === (result !== null) && [attempts, ...counts].every(isCount);
}
