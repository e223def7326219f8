import { expect, test } from "bun:test";

import { createWorld, queuedOf } from "../../test/support/collector-world.ts";
import type { HoldFate } from "../../core/quota/quota.ts";
import { createRelay } from "./relay.ts";
import type { OutboxEntry } from "../../core/request/stored-request.ts";

const GATEWAY = "gateway-1";
const { signal } = new AbortController();

/**
 * The outbox of one dead gateway, as PostgreSQL keeps it: everything behind a mark, as long as it is queued.
 */
function setUp({
  fates = {},
  keyed = [],
  pageMax = 100,
  ids = ["a", "b", "c"],
  isBrokerDown = () => false,
}: SetUp = {}) {
  const world = createWorld();
  world.accept(...ids);
  const published: string[] = [];
  let mark = "";
  let isDone = false;
  const relay = createRelay(
    {
      ...world.ports,
      outboxOfDeadPublishers: async (_, limit) => {
        const isOpen = (id: string) =>
          id > mark && world.postgres.requests.get(id)?.state === "queued";
        const open = ids.filter(isOpen);
        const page = open.slice(0, Math.min(limit, pageMax));
        const entries = page.map((id): OutboxEntry => ({
          request: queuedOf(id),
          isKeyed: keyed.includes(id),
        }));
        const isComplete = page.length === open.length;
        return isDone ? [] : [{ publisherId: GATEWAY, entries, isComplete }];
      },
      holdFates: async (refs) => refs.map(({ requestId }) => fates[requestId] ?? "held"),
      publishRequest: async ({ head }) => {
        if (isBrokerDown()) throw new Error("the broker is away");
        published.push(head.requestId);
      },
      noteRelayed: async (_, through) => {
        mark = through;
      },
      publisherDone: async () => {
        isDone = true;
      },
    },
    { everyMs: 1_000, silentMs: 5_000 },
  );
  return { world, relay, published, mark: () => mark, isDone: () => isDone };
}

interface SetUp {
  fates?: Record<string, HoldFate>;
  keyed?: string[];
  pageMax?: number;
  ids?: string[];
  isBrokerDown?: () => boolean;
}

test("what a dead gateway had not seen confirmed is published once, over as many rounds as run", async () => {
  const { relay, published, isDone } = setUp();

  await relay.run(signal);
  await relay.run(signal);

  expect(published).toEqual(["a", "b", "c"]);
  expect(isDone()).toBe(true);
});

test("an outbox larger than a page is relayed page by page", async () => {
  const { relay, published, isDone } = setUp({ pageMax: 2, ids: ["a", "b", "c", "d", "e"] });

  await relay.run(signal);

  expect(published).toEqual(["a", "b", "c", "d", "e"]);
  expect(isDone()).toBe(true);
});

test("a keeper that dies after publishing publishes again: a duplicate, not a loss", async () => {
  const { world, relay, published, mark } = setUp();
  world.crash.at = "K1";
  await relay.run(signal).catch(() => {});
  expect(mark()).toBe("");

  world.crash.at = null;
  await relay.run(signal);

  expect(published).toEqual(["a", "b", "c", "a", "b", "c"]);
});

test("nothing is noted while the broker is away, and all is relayed when it is back", async () => {
  const { world, relay, published, mark, isDone } = setUp({ isBrokerDown: () => isDown });
  let isDown = true;
  const failure: unknown = await relay.run(signal).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  expect([mark(), isDone()]).toEqual(["", false]);

  isDown = false;
  await relay.run(signal);

  expect(published).toEqual(["a", "b", "c"]);
  expect(world.metric("keeper_actions_total", "relayed")).toBe(3);
});

test("a request whose hold was released by a refusal is cancelled instead of run", async () => {
  const { world, relay, published } = setUp({ fates: { b: "gone" } });
  world.redis.holds.delete("b");

  await relay.run(signal);

  expect(published).toEqual(["a", "c"]);
  expect(world.postgres.requests.get("b")).toMatchObject({
    state: "cancelled",
    errorCode: "CANCELLED",
  });
  expect(world.postgres.ledger).toEqual([]);
});

test("a request is relayed when Redis cannot say what became of its hold", async () => {
  const { relay, published } = setUp({ fates: { a: "unknown", b: "unknown", c: "unknown" } });

  await relay.run(signal);

  expect(published).toEqual(["a", "b", "c"]);
});

test("a request named by an Idempotency-Key is relayed even without its hold", async () => {
  const { relay, published } = setUp({ fates: { b: "gone" }, keyed: ["b"] });

  await relay.run(signal);

  expect(published).toEqual(["a", "b", "c"]);
});
