import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomUUIDv7 } from "bun";

import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import {
  deletePublishersBefore,
  noteRelayed,
  notePublisher,
  outboxDepth,
  outboxOfDeadPublishers,
  publisherDone,
} from "./publishers.ts";
import {
  createMigratedDatabase,
  ending,
  HOUR_MS,
  type MigratedDatabase,
  newRequest,
} from "../../test/support/postgres.ts";
import type { DeadOutbox } from "../../core/stored-request.ts";

const SILENT_MS = 30_000;

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(() => server.drop());

/**
 * A gateway with four requests: confirmed, ended, open, open with a key; the watermark is above the first.
 */
async function gatewayWithOutbox() {
  const publisherId = randomUUIDv7();
  const key = { keyHash: Buffer.alloc(32, publisherId), fingerprint: Buffer.alloc(32) };
  const rows = [0, 1, 2, 3].map((i) =>
    newRequest({ publisherId, idempotency: i === 3 ? key : null }),
  );
  const ids = rows.map(({ head }) => head.requestId);
  const [, ended = ""] = ids;
  const note = { publisherId, host: "host", confirmedThrough: ended, unconfirmed: 3 };
  await notePublisher(server.database, note);
  await insertRequests(server.database, rows);
  await finishRequests(server.database, [ending(ended, "cancelled")]);
  return { publisherId, ids, note };
}

async function fallSilent(publisherId: string): Promise<void> {
  await server.database.run(
    "age",
    (sql) =>
      sql`update publishers set seen_at = now() - interval '1 minute' where publisher_id = ${publisherId}`,
  );
}

async function outboxOf(publisherId: string, limit = 10): Promise<DeadOutbox | undefined> {
  const outboxes = await outboxOfDeadPublishers(server.database, SILENT_MS, limit);
  return outboxes.find((outbox) => outbox.publisherId === publisherId);
}

const idsIn = (outbox: DeadOutbox | undefined): string[] | undefined =>
  outbox?.entries.map(({ request }) => request.head.requestId);

test("a silent gateway's outbox is its open requests from the watermark on; a living one has none", async () => {
  const { publisherId, ids } = await gatewayWithOutbox();
  const alive = await outboxOf(publisherId);

  await fallSilent(publisherId);

  const dead = await outboxOf(publisherId);
  expect(alive).toBeUndefined();
  expect(idsIn(dead)).toEqual(ids.slice(2));
  expect(dead?.entries.map(({ isKeyed }) => isKeyed)).toEqual([false, true]);
  expect(dead?.isComplete).toBe(true);
  await publisherDone(server.database, publisherId, SILENT_MS);
});

test("an outbox is relayed in pages and then done", async () => {
  const { publisherId, ids } = await gatewayWithOutbox();
  await fallSilent(publisherId);

  const page = await outboxOf(publisherId, 1);
  await noteRelayed(server.database, publisherId, ids[2] ?? "", SILENT_MS);
  const next = await outboxOf(publisherId);
  await noteRelayed(server.database, publisherId, ids[3] ?? "", SILENT_MS);
  const empty = await outboxOf(publisherId);
  await publisherDone(server.database, publisherId, SILENT_MS);

  expect(idsIn(page)).toEqual([ids[2] ?? ""]);
  expect(page?.isComplete).toBe(false);
  expect(idsIn(next)).toEqual([ids[3] ?? ""]);
  expect(empty).toEqual({ publisherId, entries: [], isComplete: true });
  expect(await outboxOf(publisherId)).toBeUndefined();
});

test("a gateway taken for dead that notes again is alive, and its own note counts", async () => {
  const { publisherId, ids, note } = await gatewayWithOutbox();
  await fallSilent(publisherId);
  await noteRelayed(server.database, publisherId, ids[2] ?? "", SILENT_MS);
  await publisherDone(server.database, publisherId, SILENT_MS);

  await notePublisher(server.database, note);

  expect(await outboxOf(publisherId)).toBeUndefined();
  await fallSilent(publisherId);
  // Not only from what was relayed on: a row that was being committed then may have a smaller id.
  expect(idsIn(await outboxOf(publisherId))).toEqual(ids.slice(2));
  await publisherDone(server.database, publisherId, SILENT_MS);
});

test("a gateway that notes while a keeper relays for it stays alive, and its own note counts", async () => {
  const { publisherId, ids, note } = await gatewayWithOutbox();
  await fallSilent(publisherId);
  await outboxOf(publisherId);

  await notePublisher(server.database, note);
  await noteRelayed(server.database, publisherId, ids[3] ?? "", SILENT_MS);
  await publisherDone(server.database, publisherId, SILENT_MS);

  await fallSilent(publisherId);
  expect(idsIn(await outboxOf(publisherId))).toEqual(ids.slice(2));
  await publisherDone(server.database, publisherId, SILENT_MS);
});

test("the outbox depth is what the gateways noted, and done ones are forgotten in time", async () => {
  const { publisherId, note } = await gatewayWithOutbox();
  const before = await outboxDepth(server.database);
  await notePublisher(server.database, { ...note, unconfirmed: 10 });

  expect((await outboxDepth(server.database)) - before).toBe(7);
  await fallSilent(publisherId);
  await publisherDone(server.database, publisherId, SILENT_MS);
  expect(await deletePublishersBefore(server.database, Date.now() - HOUR_MS)).toBe(0);
  expect(
    await deletePublishersBefore(server.database, Date.now() + HOUR_MS),
  ).toBeGreaterThanOrEqual(1);
});
