import type { KeeperPorts } from "../../../collector/ports.ts";
import type { PublisherNote } from "../../../core/request/stored-request.ts";
import { type FakeRow, queuedOf } from "./request-rows.ts";
import type { FakeServer } from "./server.ts";

interface Publisher {
  seenAtMs: number;
  isDone: boolean;
  confirmedThrough: string;
  unconfirmed: number;
}

export interface FakeOutboxes extends Pick<
  KeeperPorts,
  | "outboxOfDeadPublishers"
  | "noteRelayed"
  | "publisherDone"
  | "outboxDepth"
  | "deletePublishersBefore"
> {
  notePublisher: (note: PublisherNote) => Promise<void>;
  /** The last note of the publisher becomes so much older. */
  agePublisher: (publisherId: string, ms: number) => void;
}

interface OutboxesOptions {
  server: FakeServer;
  now: () => number;
  /** Queued requests in the order of their ids. */
  open: () => FakeRow[];
  isKeyed: (requestId: string) => boolean;
}

/** What gateways note of their outboxes: a part of the fake request store. */
export function createFakeOutboxes({ server, now, open, isKeyed }: OutboxesOptions): FakeOutboxes {
  const publishers = new Map<string, Publisher>();

  function silentOne(publisherId: string, silentMs: number): Publisher | undefined {
    const publisher = publishers.get(publisherId);
    return publisher !== undefined && publisher.seenAtMs < now() - silentMs ? publisher : undefined;
  }

  return {
    notePublisher: ({ publisherId, confirmedThrough, unconfirmed }) =>
      server.ask(() => {
        const note = { confirmedThrough, unconfirmed, seenAtMs: now(), isDone: false };
        publishers.set(publisherId, note);
      }),
    outboxOfDeadPublishers: (silentMs, limit) =>
      server.ask(() => {
        let left = limit;
        return [...publishers]
          .filter(([id, { isDone }]) => !isDone && silentOne(id, silentMs) !== undefined)
          .toSorted(([, a], [, b]) => a.seenAtMs - b.seenAtMs)
          .flatMap(([publisherId, { confirmedThrough }]) => {
            if (left === 0) return [];
            const entries = open()
              .filter((row) => row.publisherId === publisherId)
              .filter(({ head }) => head.requestId >= confirmedThrough)
              .slice(0, left)
              .map((row) => ({ request: queuedOf(row), isKeyed: isKeyed(row.head.requestId) }));
            const isComplete = entries.length < left;
            left -= entries.length;
            return [{ publisherId, entries, isComplete }];
          });
      }),
    noteRelayed: (publisherId, throughRequestId, silentMs) =>
      server.ask(() => {
        const publisher = silentOne(publisherId, silentMs);
        // The first id behind it.
        const behind = `${throughRequestId}\0`;
        if (publisher !== undefined && behind > publisher.confirmedThrough)
          publisher.confirmedThrough = behind;
      }),
    publisherDone: (publisherId, silentMs) =>
      server.ask(() => {
        const publisher = silentOne(publisherId, silentMs);
        if (publisher !== undefined) Object.assign(publisher, { isDone: true, unconfirmed: 0 });
      }),
    outboxDepth: () =>
      server.ask(() =>
        [...publishers.values()].reduce((sum, { unconfirmed }) => sum + unconfirmed, 0),
      ),
    deletePublishersBefore: (seenBeforeMs) =>
      server.ask(() => {
        const old = [...publishers].filter(
          ([, { isDone, seenAtMs }]) => isDone && seenAtMs < seenBeforeMs,
        );
        for (const [publisherId] of old) publishers.delete(publisherId);
        return old.length;
      }),
    agePublisher: (publisherId, ms) => {
      const publisher = publishers.get(publisherId);
      if (publisher === undefined) throw new Error("the publisher has noted nothing");
      publisher.seenAtMs -= ms;
    },
  };
}
