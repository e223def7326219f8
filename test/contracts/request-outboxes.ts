import { describe, expect, test } from "bun:test";
import { randomUUIDv7 } from "bun";

import type { DeadOutbox } from "../../core/request/stored-request.ts";
import { ending, HOUR_MS, newRequest } from "../support/request-samples.ts";
import { idOf, type MakeRequestStore, useRequestStore } from "./request-store-subject.ts";

const SILENT_MS = 30_000;

/** What the outboxes of gateways promise to the keeper that relays those of the dead. */
export function describeRequestOutboxes(name: string, makeSubject: MakeRequestStore): void {
  describe(`outboxes: ${name}`, () => {
    const subject = useRequestStore(makeSubject);

    /** A gateway with four requests: confirmed, ended, open, open with a key; the mark is above the first. */
    async function gatewayWithOutbox() {
      const { store } = subject();
      const publisherId = randomUUIDv7();
      const key = { keyHash: Buffer.alloc(32, publisherId), fingerprint: Buffer.alloc(32) };
      const rows = [0, 1, 2, 3].map((i) =>
        newRequest({ publisherId, idempotency: i === 3 ? key : null }),
      );
      const ids = rows.map(idOf);
      const [, ended = ""] = ids;
      const note = { publisherId, host: "host", confirmedThrough: ended, unconfirmed: 3 };
      await store.notePublisher(note);
      await store.insertRequests(rows);
      await store.finishRequests([ending(ended, "cancelled")]);
      return { publisherId, ids, note };
    }

    const fallSilent = (publisherId: string) => subject().agePublisher(publisherId, 60_000);

    async function outboxOf(publisherId: string, limit = 10): Promise<DeadOutbox | undefined> {
      const outboxes = await subject().store.outboxOfDeadPublishers(SILENT_MS, limit);
      return outboxes.find((outbox) => outbox.publisherId === publisherId);
    }

    const idsIn = (outbox: DeadOutbox | undefined): string[] | undefined =>
      outbox?.entries.map(({ request }) => request.head.requestId);

    const done = (publisherId: string) => subject().store.publisherDone(publisherId, SILENT_MS);

    test("that of a silent gateway is its open requests from the mark on", async () => {
      const { publisherId, ids } = await gatewayWithOutbox();
      const alive = await outboxOf(publisherId);

      await fallSilent(publisherId);

      const dead = await outboxOf(publisherId);
      expect(alive).toBeUndefined();
      expect(idsIn(dead)).toEqual(ids.slice(2));
      expect(dead?.entries.map(({ isKeyed }) => isKeyed)).toEqual([false, true]);
      expect(dead?.isComplete).toBe(true);
      await done(publisherId);
    });

    test("one is relayed in pages and then done", async () => {
      const { store } = subject();
      const { publisherId, ids } = await gatewayWithOutbox();
      await fallSilent(publisherId);

      const page = await outboxOf(publisherId, 1);
      await store.noteRelayed(publisherId, ids[2] ?? "", SILENT_MS);
      const next = await outboxOf(publisherId);
      await store.noteRelayed(publisherId, ids[3] ?? "", SILENT_MS);
      const empty = await outboxOf(publisherId);
      await done(publisherId);

      expect(idsIn(page)).toEqual([ids[2] ?? ""]);
      expect(page?.isComplete).toBe(false);
      expect(idsIn(next)).toEqual([ids[3] ?? ""]);
      expect(empty).toEqual({ publisherId, entries: [], isComplete: true });
      expect(await outboxOf(publisherId)).toBeUndefined();
    });

    test("the limit counts the entries of all of them, those that fell silent first in front", async () => {
      const { store } = subject();
      const [first, second] = [await gatewayWithOutbox(), await gatewayWithOutbox()];
      await fallSilent(second.publisherId);
      await subject().agePublisher(first.publisherId, 120_000);

      const outboxes = await store.outboxOfDeadPublishers(SILENT_MS, 3);
      await done(first.publisherId);
      await done(second.publisherId);

      expect(outboxes.map(({ publisherId }) => publisherId)).toEqual([
        first.publisherId,
        second.publisherId,
      ]);
      expect(outboxes.map(idsIn)).toEqual([first.ids.slice(2), second.ids.slice(2, 3)]);
      expect(outboxes.map(({ isComplete }) => isComplete)).toEqual([true, false]);
    });

    test("that of a gateway taken for dead that notes again is what it says itself", async () => {
      const { store } = subject();
      const { publisherId, ids, note } = await gatewayWithOutbox();
      await fallSilent(publisherId);
      await store.noteRelayed(publisherId, ids[2] ?? "", SILENT_MS);
      await done(publisherId);

      await store.notePublisher(note);

      expect(await outboxOf(publisherId)).toBeUndefined();
      await fallSilent(publisherId);
      // Not only from what was relayed on: a row that was being committed then may have a smaller id.
      expect(idsIn(await outboxOf(publisherId))).toEqual(ids.slice(2));
      await done(publisherId);
    });

    test("that of a gateway that notes again while it is relayed is what it says itself", async () => {
      const { store } = subject();
      const { publisherId, ids, note } = await gatewayWithOutbox();
      await fallSilent(publisherId);
      await outboxOf(publisherId);

      await store.notePublisher(note);
      await store.noteRelayed(publisherId, ids[3] ?? "", SILENT_MS);
      await done(publisherId);

      await fallSilent(publisherId);
      expect(idsIn(await outboxOf(publisherId))).toEqual(ids.slice(2));
      await done(publisherId);
    });

    test("their depth is what the gateways noted, and those that are done are forgotten", async () => {
      const { store } = subject();
      const { publisherId, note } = await gatewayWithOutbox();
      const before = await store.outboxDepth();
      await store.notePublisher({ ...note, unconfirmed: 10 });
      const grown = (await store.outboxDepth()) - before;

      await fallSilent(publisherId);
      await done(publisherId);

      expect(grown).toBe(7);
      expect(await store.outboxDepth()).toBe(before - 3);
      expect(await store.deletePublishersBefore(Date.now() - HOUR_MS)).toBe(0);
      expect(await store.deletePublishersBefore(Date.now() + HOUR_MS)).toBeGreaterThanOrEqual(1);
    });
  });
}
