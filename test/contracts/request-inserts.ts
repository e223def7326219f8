import { describe, expect, test } from "bun:test";

import type { NewRequest } from "../../core/request/stored-request.ts";
import { runBisected } from "../../runtime/bisect.ts";
import { completion, HOUR_MS, newRequest } from "../support/request-samples.ts";
import { idOf, isStored, type MakeRequestStore, useRequestStore } from "./request-store-subject.ts";

const USER = crypto.randomUUID();

const keyed = (key: string, body: string, overrides: Partial<NewRequest> = {}): NewRequest =>
  newRequest({
    userId: USER,
    idempotency: {
      keyHash: Buffer.from(key.padEnd(32)),
      fingerprint: Buffer.from(body.padEnd(32)),
    },
    ...overrides,
  });

/** What storing requests promises. */
export function describeRequestInserts(name: string, makeSubject: MakeRequestStore): void {
  describe(`storing requests: ${name}`, () => {
    const subject = useRequestStore(makeSubject);

    test("a batch is stored whole, content byte for byte", async () => {
      const { store } = subject();
      const metadata = Buffer.from('\0{},"\\');
      const rows = [newRequest(), newRequest({ metadata }), newRequest()];

      const outcomes = await store.insertRequests(rows);

      expect(outcomes).toEqual([{ kind: "stored" }, { kind: "stored" }, { kind: "stored" }]);
      const [first, second] = await store.findRequests(rows.map(({ head }) => head));
      const { requestId, userId, model, estimatedTokens, createdAtMs } = newHead(rows[0]);
      expect(first).toEqual({
        requestId,
        userId,
        model,
        state: "queued",
        estimatedTokens,
        promptTokens: null,
        completionTokens: null,
        totalTokens: null,
        attempts: 0,
        createdAtMs,
        startedAtMs: null,
        completedAtMs: null,
        errorCode: null,
        errorMessage: null,
        metadata: null,
        result: null,
        errorDetail: null,
      });
      expect(second?.metadata).toEqual(metadata);
    });

    test("a row that comes late is not stored, and all the others are", async () => {
      const { store } = subject();
      const rows = [
        newRequest(),
        newRequest({ acceptUntilMs: Date.now() - 1 }),
        keyed("late", "a", { acceptUntilMs: 1 }),
      ];

      const plain = await store.insertRequests(rows.slice(0, 2));
      const withKey = await store.insertRequests(rows.slice(2));
      const again = await store.insertRequests([keyed("late", "b")]);

      expect([...plain, ...withKey].map(({ kind }) => kind)).toEqual(["stored", "late", "late"]);
      expect(await isStored(store, rows)).toEqual([true, false, false]);
      expect(again).toEqual([{ kind: "stored" }]);
    });

    test.each([
      ["a value that violates a check", { estimatedTokens: -1 }],
      ["a number that is not whole", { estimatedTokens: 1.5 }],
      ["a NUL in a text", { model: "a\0b" }],
    ])("a batch with %s stores nothing, and without that row everything", async (_name, bad) => {
      const { store } = subject();
      const rows = Array.from({ length: 8 }, (_, i) => newRequest(i === 5 ? bad : {}));

      const failure = await store.insertRequests(rows).catch((error: unknown) => error);
      const stored = await isStored(store, rows);
      const outcomes = await runBisected(rows, store.insertRequests, store.isDataFault);

      expect([store.isDataFault(failure), stored.includes(true)]).toEqual([true, false]);
      const isSound = (_: unknown, i: number): boolean => i !== 5;
      expect(outcomes.map(({ ok }) => ok)).toEqual(rows.map(isSound));
    });

    test("an id that is stored already is a fault of the row", async () => {
      const { store } = subject();
      const row = newRequest();
      await store.insertRequests([row]);

      const failure = await store.insertRequests([row]).catch((error: unknown) => error);

      expect(store.isDataFault(failure)).toBe(true);
    });

    test("what is discarded is gone, except what has ended or runs under a key", async () => {
      const { store } = subject();
      const [plain, ended, withKey, never] = [
        newRequest(),
        newRequest(),
        keyed("kept", "a"),
        newRequest(),
      ];
      await store.insertRequests([plain, ended, withKey]);
      await store.finishRequests([completion(idOf(ended))]);

      const kept = await store.discardRequests([plain, ended, withKey, never].map(idOf));

      expect(new Set(kept)).toEqual(new Set([idOf(ended), idOf(withKey)]));
      expect(await isStored(store, [plain])).toEqual([false]);
    });

    test("while the server is away nothing is stored, and that is no fault of a row", async () => {
      const { store, setAway } = subject();
      const row = newRequest();
      await setAway(true);

      const failure = await store.insertRequests([row]).catch((error: unknown) => error);
      await setAway(false);

      expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
      expect(store.isDataFault(failure)).toBe(false);
      expect(await isStored(store, [row])).toEqual([false]);
    });
  });

  describe(`an Idempotency-Key: ${name}`, () => {
    const subject = useRequestStore(makeSubject);

    test("stores the first request only and names it to every repeat, in its batch and later", async () => {
      const { store } = subject();
      const [first, again, otherBody] = [keyed("k1", "a"), keyed("k1", "a"), keyed("k1", "b")];

      const batch = await store.insertRequests([first, newRequest(), again]);
      const later = await store.insertRequests([otherBody]);

      const requestId = idOf(first);
      expect(batch).toEqual([
        { kind: "stored" },
        { kind: "stored" },
        { kind: "replay", requestId, sameBody: true },
      ]);
      expect(later).toEqual([{ kind: "replay", requestId, sameBody: false }]);
      expect(await isStored(store, [first, again, otherBody])).toEqual([true, false, false]);
    });

    test("belongs to its user", async () => {
      const { store } = subject();
      const mine = keyed("shared", "a");
      const theirs = keyed("shared", "a", { head: newRequest().head });

      const outcomes = await store.insertRequests([mine, theirs]);

      expect(outcomes).toEqual([{ kind: "stored" }, { kind: "stored" }]);
    });

    test("names its request to a repeat that comes late", async () => {
      const { store } = subject();
      const first = keyed("repeated late", "a");
      await store.insertRequests([first]);

      const late = await store.insertRequests([keyed("repeated late", "a", { acceptUntilMs: 1 })]);

      expect(late).toEqual([{ kind: "replay", requestId: idOf(first), sameBody: true }]);
    });

    test("can be looked up before anything is stored", async () => {
      const { store } = subject();
      const row = keyed("looked up", "a");
      const keyHash = row.idempotency?.keyHash ?? Buffer.alloc(0);
      const lookup = { userId: USER, keyHash, fingerprint: Buffer.alloc(32) };

      const before = await store.findReplay(lookup);
      await store.insertRequests([row]);

      expect(before).toBeUndefined();
      expect(await store.findReplay(lookup)).toEqual({ requestId: idOf(row), sameBody: false });
    });

    test("is forgotten when it is old enough, a bounded number at a time", async () => {
      const { store } = subject();
      await store.insertRequests(["old 1", "old 2", "old 3"].map((key) => keyed(key, "a")));

      const young = await store.deleteIdempotencyKeysBefore(Date.now() - HOUR_MS, 10);
      const old = await store.deleteIdempotencyKeysBefore(Date.now() + HOUR_MS, 2);

      expect([young, old]).toEqual([0, 2]);
    });
  });
}

function newHead(row: NewRequest | undefined): NewRequest["head"] {
  if (row === undefined) throw new Error("there is no such row");
  return row.head;
}
