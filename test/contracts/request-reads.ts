import { beforeAll, describe, expect, test } from "bun:test";

import type { QueuedRequest } from "../../core/request/messages.ts";
import { ending, HOUR_MS, newRequest, SEALED } from "../support/request-samples.ts";
import { idOf, type MakeRequestStore, useRequestStore } from "./request-store-subject.ts";

/** Of the samples, but for those of a test about others. */
const MODELS = ["sim-chat", "fast", "slow"];

/** What reading requests promises: those of a user, and those that wait. */
export function describeRequestReads(name: string, makeSubject: MakeRequestStore): void {
  describe(`reading requests: ${name}`, () => {
    const subject = useRequestStore(makeSubject);
    const user = crypto.randomUUID();
    const nowMs = Date.now();
    /** Requests of three days, the oldest in front; the last two are overdue. */
    const rows = [30, 20, 10, 2, 1].map((hoursAgo, i) =>
      newRequest({
        userId: user,
        createdAtMs: nowMs - hoursAgo * HOUR_MS,
        expiresAtMs: i < 3 ? nowMs + HOUR_MS : nowMs - 1,
        model: i === 0 ? "slow" : "fast",
      }),
    );
    const ids = rows.map(idOf);
    const [oldest = "", cancelled = ""] = ids;
    const openIds = ids.filter((id) => id !== cancelled);

    beforeAll(async () => {
      const { store } = subject();
      await store.insertRequests(rows);
      await store.finishRequests([ending(cancelled, "cancelled")]);
    });

    test("many requests are found at once, in the order asked", async () => {
      const lookups = ids.toReversed().map((requestId) => ({ requestId, userId: user }));

      const found = await subject().store.findRequests(lookups);

      expect(found.map((request) => request?.requestId)).toEqual(ids.toReversed());
    });

    test("another user's request is not found, even beside a look-up of one's own", async () => {
      const { store } = subject();
      const stranger = newRequest();
      await store.insertRequests([stranger]);
      const { requestId: theirs, userId: them } = stranger.head;

      const found = await store.findRequests([
        { requestId: oldest, userId: them },
        { requestId: theirs, userId: user },
        { requestId: oldest, userId: user },
      ]);
      await store.discardRequests([theirs]);

      expect(found.map((request) => request?.requestId)).toEqual([undefined, undefined, oldest]);
    });

    test("a user's list is newest first and comes in pages", async () => {
      const { store } = subject();

      const first = await store.listRequests({ userId: user, limit: 3 });
      const before = first.at(-1)?.requestId;
      const second = await store.listRequests({ userId: user, limit: 3, before });

      expect([...first, ...second].map(({ requestId }) => requestId)).toEqual(ids.toReversed());
    });

    test("a user's list can be filtered by state, and holds no results", async () => {
      const { store } = subject();

      const query = { userId: user, limit: 10 };
      const queued = await store.listRequests({ ...query, state: "queued" });
      const ended = await store.listRequests({ ...query, state: "cancelled" });

      expect(queued.map(({ requestId }) => requestId)).toEqual(openIds.toReversed());
      expect(ended).toMatchObject([{ requestId: cancelled, errorCode: "CANCELLED" }]);
      expect(Object.keys(ended[0] ?? {})).not.toContain("result");
    });

    test("what is read for publishing is what was stored, open requests only, by id", async () => {
      const queued = await subject().store.readQueued(ids.toReversed());

      const heads = rows.filter((row) => idOf(row) !== cancelled).map(({ head }) => head);
      expect(queued.map(({ head }) => head)).toEqual(heads);
      for (const { payload, attempt } of queued) {
        expect(Buffer.compare(payload, SEALED)).toBe(0);
        expect(attempt).toBe(1);
      }
    });

    test("what is read for publishing has the class that it was stored with", async () => {
      const { store } = subject();
      const urgent = newRequest({ priority: "high" });
      const patient = newRequest({ priority: "low" });
      await store.insertRequests([urgent, patient]);

      const queued = await store.readQueued([idOf(urgent), idOf(patient), oldest]);
      await store.discardRequests([idOf(urgent), idOf(patient)]);

      const classes = new Map(queued.map(({ head, priority }) => [head.requestId, priority]));
      expect(classes.get(idOf(urgent))).toBe("high");
      expect(classes.get(idOf(patient))).toBe("low");
      expect(classes.get(oldest)).toBeUndefined();
    });

    test("what is parked is not read for publishing: the dispatcher publishes it", async () => {
      const { store } = subject();
      const parked = newRequest({ isParked: true, priority: "high" });
      await store.insertRequests([parked]);

      const queued = await store.readQueued([idOf(parked), oldest]);
      await store.discardRequests([idOf(parked)]);

      expect(queued.map(({ head }) => head.requestId)).toEqual([oldest]);
    });

    test("overdue requests come in the order in which they were due, page by page", async () => {
      const { store } = subject();

      const all = await store.overdueRequests(null, 10);
      const first = await store.overdueRequests(null, 1);
      const second = await store.overdueRequests(first.next, 1);
      const last = await store.overdueRequests(second.next, 1);

      const overdue = ids.slice(3).map((requestId) => ({ requestId, userId: user }));
      expect(all).toEqual({ items: overdue, next: null });
      expect([...first.items, ...second.items]).toEqual(overdue);
      expect(last).toEqual({ items: [], next: null });
    });

    test("requests that wait since before an instant are paged to the end, content and all", async () => {
      const { store } = subject();
      const beforeMs = nowMs - 5 * HOUR_MS;

      const found: QueuedRequest[] = [];
      let next: string | null = null;
      do {
        // A page may be empty and not the last.
        const page = await store.queuedBefore(beforeMs, MODELS, next, 1);
        found.push(...page.items);
        next = page.next;
      } while (next !== null);

      expect(found.map(({ head }) => head)).toEqual(
        [rows[0], rows[2]].map((row) => row?.head) as never,
      );
      expect(found.every(({ payload }) => Buffer.compare(payload, SEALED) === 0)).toBe(true);
    });

    test("what is parked, or of another model, is not among those that may be lost", async () => {
      const { store } = subject();
      const createdAtMs = nowMs - 60 * HOUR_MS;
      const parked = newRequest({ createdAtMs, isParked: true, priority: "normal" });
      const other = newRequest({ createdAtMs, model: "other" });
      const waiting = newRequest({ createdAtMs });
      await store.insertRequests([parked, other, waiting]);

      const { items } = await store.queuedBefore(nowMs - 59 * HOUR_MS, MODELS, null, 10);
      await store.discardRequests([parked, other, waiting].map(idOf));

      expect(items.map(({ head }) => head.requestId)).toEqual([idOf(waiting)]);
    });

    test("those that expire first come first, however long they have waited", async () => {
      const { store } = subject();
      const patient = newRequest({ createdAtMs: nowMs - 60 * HOUR_MS, expiresAtMs: nowMs + 2 });
      const hasty = newRequest({ createdAtMs: nowMs - 59 * HOUR_MS, expiresAtMs: nowMs + 1 });
      await store.insertRequests([patient, hasty]);

      const { items } = await store.queuedBefore(nowMs - 58 * HOUR_MS, MODELS, null, 10);
      await store.discardRequests([patient, hasty].map(idOf));

      expect(items.map(({ head }) => head.requestId)).toEqual([hasty, patient].map(idOf));
    });

    test("what waits is summed by model", async () => {
      const oldestCreatedAtMs = nowMs - 30 * HOUR_MS;

      expect(await subject().store.waitingByModel()).toEqual([
        { model: "fast", requests: 3, tokens: 300, oldestCreatedAtMs: nowMs - 10 * HOUR_MS },
        { model: "slow", requests: 1, tokens: 100, oldestCreatedAtMs },
      ]);
    });

    test("while the server is away every reading is refused", async () => {
      const { store, setAway } = subject();
      await setAway(true);

      const refused = await Promise.allSettled([
        store.findRequests([{ requestId: oldest, userId: user }]),
        store.listRequests({ userId: user, limit: 3 }),
        store.readQueued([oldest]),
        store.queuedBefore(nowMs, MODELS, null, 1),
        store.overdueRequests(null, 1),
        store.standings([oldest]),
        store.waitingByModel(),
      ]);
      await setAway(false);

      for (const outcome of refused)
        expect(outcome).toMatchObject({ reason: { code: "STORE_UNAVAILABLE" } });
    });
  });
}
