import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { generateEncryptionKey } from "../crypto/envelope.ts";
import { createSealer } from "../crypto/envelope.ts";
import { FIRST_POSITION } from "../../core/request/delta-entry.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { silentLog } from "../../runtime/log.ts";
import { hasServerPrograms } from "../../test/support/private-servers.ts";
import { freshTruth, limitsOf, newId } from "../../test/support/quota-samples.ts";
import { type ClusterGroup, startClusterGroup } from "../../test/support/redis-cluster-group.ts";
import { connectRedis, type RedisConnection } from "./connection.ts";
import { createDeltaStreams } from "./delta-streams.ts";
import { createHoldBooks } from "./holds.ts";
import { userKey } from "./keys.ts";
import type { RedisOptions } from "./options.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
import { createSignals } from "./signals.ts";
import { slotOf } from "./slots.ts";

setDefaultTimeout(30_000);

const WAIT_MS = 10_000;
const SLOTS = 16_384;
/** The masters of a new cluster have equal parts of the slots. */
const shardOf = (userId: string): number => Math.floor((slotOf(userKey(userId)) * 3) / SLOTS);

function userOfShard(shard: number): string {
  for (;;) {
    const userId = newId();
    if (shardOf(userId) === shard) return userId;
  }
}

describe.skipIf(!hasServerPrograms())("in a cluster of three masters", () => {
  let group: ClusterGroup;
  let options: RedisOptions;
  let redis: RedisConnection;
  let store: QuotaStore;

  beforeAll(async () => {
    group = await startClusterGroup({ replicas: 0 });
    const [first] = group.nodes;
    options = {
      url: group.settings.url,
      // It names the others.
      cluster: { nodes: [first?.address ?? ""] },
      commandTimeoutMs: 1_000,
      name: "test",
      log: silentLog,
    };
    redis = connectRedis(options);
    await redis.untilReady(WAIT_MS);
    store = createQuotaStore(redis);
  });
  afterAll(async () => {
    redis.close();
    await group.remove();
  });

  /** A user of each master with an open hold. */
  async function holdForEach(): Promise<{ userId: string; requestId: string }[]> {
    const users = [0, 1, 2].map(userOfShard);
    return Promise.all(
      users.map(async (userId) => {
        const ticket = await store.beginLoad(userId);
        if (ticket === undefined) throw new Error("a new user is loaded already");
        expect(await store.load(userId, ticket, freshTruth(limitsOf()))).toBe("loaded");
        const requestId = newId();
        expect((await store.admit({ userId, requestId, tokens: 3 })).kind).toBe("admitted");
        return { userId, requestId };
      }),
    );
  }

  const settlementOf = (hold: { userId: string; requestId: string }) => ({
    ...hold,
    billedTokens: 2,
    failedExecutions: 0,
    expectHold: true,
  });

  test("users of all masters are admitted, read and settled, together and alone", async () => {
    const holds = await holdForEach();
    const books = await createHoldBooks(redis).readBooks(holds.map(({ userId }) => userId));

    const replies = await store.settle(holds.map(settlementOf));

    expect(books.map((one) => typeof one === "object" && one.holds.length)).toEqual([1, 1, 1]);
    expect(replies).toEqual(["settled", "settled", "settled"]);
    const used = await Promise.all(holds.map(({ userId }) => store.read(userId)));
    expect(used.map((one) => one?.windows.daily.used.tokens)).toEqual([2, 2, 2]);
  });

  test("a scan finds the holds of all masters", async () => {
    const holds = await holdForEach();

    const found = new Set<string>();
    for await (const page of createHoldBooks(redis).scanHolds())
      for (const { requestId } of page) found.add(requestId);

    expect(holds.filter(({ requestId }) => !found.has(requestId))).toEqual([]);
    await store.settle(holds.map(settlementOf));
  });

  test("pieces of answers of many users are read together", async () => {
    const streams = createDeltaStreams(redis, createSealer(generateEncryptionKey("k1")));
    const requests = [0, 1, 2].map((shard) => ({ userId: userOfShard(shard), requestId: newId() }));
    const epochs = await Promise.all(requests.map((request) => streams.begin(request, false)));

    const read = await streams.read(requests.map((one) => ({ ...one, after: FIRST_POSITION })));

    expect(read.map(([entry]) => entry?.position)).toEqual(epochs.map((epoch) => `${epoch}-0`));
  });

  test("what is announced at any node reaches who listens at any other", async () => {
    const signals = createSignals(redis, options);
    const heard = new Set<string>();
    const subscribed = new Promise<void>((resolve) => signals.onResubscribed(resolve));
    signals.onFinished((ids) => ids.forEach((id) => heard.add(id)));
    await subscribed;
    const ids = Array.from({ length: 6 }, newId);

    // Each goes to the next node.
    for (const id of ids) await signals.announceFinished([id]);

    await untilTrue("all are heard", WAIT_MS, () => ids.every((id) => heard.has(id)));
    signals.close();
  });

  test("a slot that moves is waited for, and its users are loaded anew where it has gone", async () => {
    const [hold] = await holdForEach();
    if (hold === undefined) throw new Error("there is no hold");
    const { userId } = hold;
    const slot = slotOf(userKey(userId));
    const source = await group.masterOf(slot);
    const target = await group.masterOf(SLOTS - 1);
    const [sourceId, targetId] = await Promise.all(
      [source, target].map(async (node) => String(await node.ask("CLUSTER", "MYID"))),
    );
    const before = redis.server(userKey(userId)).instance;
    await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", sourceId ?? "");
    await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", targetId ?? "");
    const keys = (await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)) as string[];
    const [half, rest] = [keys.slice(0, 3), keys.slice(3)];
    const password = new URL(group.settings.url).password;
    const migrate = (some: readonly string[]): Promise<unknown> =>
      source.ask(
        ...(["MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "AUTH", password] as const),
        ...(["KEYS", ...some] as const),
      );
    await migrate(half);

    // Half of the books are at one node, half at the other: nobody may see either.
    const admission = store.admit({ userId, requestId: newId(), tokens: 3 });
    await migrate(rest);
    for (const node of [target, source])
      await node.ask("CLUSTER", "SETSLOT", slot, "NODE", targetId ?? "");

    expect(keys.length).toBeGreaterThan(5);
    expect(await admission).toEqual({ kind: "unknown" });
    expect(redis.server(userKey(userId)).instance).not.toBe(before);
    const ticket = await store.beginLoad(userId);
    if (ticket === undefined) throw new Error("the user is loaded already");
    expect(ticket.recentRequestIds).toEqual([hold.requestId]);
    expect(await store.load(userId, ticket, freshTruth(limitsOf()))).toBe("loaded");
  });

  // The last: it leaves the cluster without a master.
  test("while one master is away only its users are refused, and only their settlements left", async () => {
    const holds = await holdForEach();
    const [first, , last] = holds;
    if (first === undefined || last === undefined) throw new Error("there are no holds");
    const lost = new Promise((resolve) =>
      redis.server(userKey(first.userId)).client.once("close", resolve),
    );
    await (await group.masterOf(slotOf(userKey(first.userId)))).process.kill();
    await lost;

    const replies = await store.settle(holds.map(settlementOf));
    const alone = await store.settle([settlementOf(first)]);

    expect(replies).toEqual(["away", "settled", "settled"]);
    expect(alone).toEqual(["away"]);
    const admit = (userId: string) => store.admit({ userId, requestId: newId(), tokens: 1 });
    expect((await admit(last.userId)).kind).toBe("admitted");
    expect(await admit(first.userId).catch((error: unknown) => error)).toMatchObject({
      code: "QUOTA_UNAVAILABLE",
    });
    expect(redis.isReady()).toBe(true);
    const scan = async (): Promise<number> => {
      let pages = 0;
      for await (const _ of createHoldBooks(redis).scanHolds()) pages += 1;
      return pages;
    };
    expect(await scan().catch((error: unknown) => error)).toMatchObject({
      code: "QUOTA_UNAVAILABLE",
    });
  });
});
