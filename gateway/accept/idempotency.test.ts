import { describe, expect, test } from "bun:test";

import { untilIdle } from "../../test/support/clock.ts";
import {
  createFakeGateway,
  problemOf,
  snapshotWith,
  storeDown,
  storedRequest,
} from "../../test/support/gateway-world.ts";
import type { FakeRequestStore } from "../../test/support/fakes/request-store.ts";
import type { GatewayPorts } from "../ports.ts";

const init = { body: { prompt: "x" }, headers: { "idempotency-key": '"order-1"' } };

/** The reply to the first insert is lost: with `stored` after the commit, else before it. */
function breakingInsert(stored: boolean) {
  let isBroken = true;
  return ({ insertRequests }: FakeRequestStore): Partial<GatewayPorts> => ({
    insertRequests: async (batch) => {
      const replies = isBroken && !stored ? [] : await insertRequests(batch);
      if (!isBroken) return replies;
      isBroken = false;
      return storeDown();
    },
  });
}

const idsIn = (store: FakeRequestStore): string[] => store.rows().map(({ head }) => head.requestId);

describe("a replay of an Idempotency-Key", () => {
  test("returns the first id and takes nothing, even when the quota is used up", async () => {
    const fake = createFakeGateway({
      findReplay: async () => ({ requestId: "first", sameBody: true }),
      admit: async () => ({ admitted: false, snapshot: snapshotWith(1, 1) }),
    });
    fake.stored.set("first", storedRequest("first"));

    const response = await fake.call("POST", "/generate", init);

    expect(response.status).toBe(202);
    expect(response.headers.get("idempotency-replayed")).toBe("true");
    expect(await response.json()).toMatchObject({ request_id: "first", estimated_tokens: 100 });
  });

  test("with another body is refused", async () => {
    const { call, admitted } = createFakeGateway({
      findReplay: async () => ({ requestId: "first", sameBody: false }),
    });

    const problem = await problemOf(await call("POST", "/generate", init));

    expect(problem.code).toBe("IDEMPOTENCY_MISMATCH");
    expect(admitted).toEqual([]);
  });

  test("that loses a race to its twin returns the twin's id and releases its hold", async () => {
    const fake = createFakeGateway({
      insertRequests: async (rows) =>
        rows.map(() => ({ kind: "replay", requestId: "twin", sameBody: true })),
    });
    fake.stored.set("twin", storedRequest("twin"));

    const response = await fake.call("POST", "/generate", init);

    expect(await response.json()).toMatchObject({ request_id: "twin" });
    expect(fake.settled).toHaveLength(1);
    expect(fake.published).toEqual([]);
  });
});

describe("a keyed request that was refused although its row was stored", () => {
  test("keeps its hold and is published, and a replay returns its id and takes nothing", async () => {
    const { call, admitted, settled, published, advance, store } = createFakeGateway(
      breakingInsert(true),
    );

    const first = await call("POST", "/generate", init);
    await advance(15_000);
    const replay = await call("POST", "/generate", init);

    const [id = ""] = idsIn(store);
    expect([first.status, replay.status]).toEqual([503, 202]);
    expect((await problemOf(first)).code).toBe("STORE_UNSURE");
    expect(await replay.json()).toMatchObject({ request_id: id });
    expect({ admitted, settled }).toEqual({ admitted: [id], settled: [] });
    expect(published.map((request) => request.head.requestId)).toEqual([id]);
  });

  test("is replayed safely at once, before its fate is known", async () => {
    const { call, settled, published, advance, store } = createFakeGateway(breakingInsert(true));

    await call("POST", "/generate", init);
    const replay = await call("POST", "/generate", init);
    await advance(15_000);

    expect(await replay.json()).toMatchObject({ request_id: idsIn(store)[0] });
    expect(settled).toEqual([]);
    expect(published).toHaveLength(1);
  });

  test("is left to the keeper when the gateway dies before it knows: the note stays behind", async () => {
    const { call, notes, advance, store } = createFakeGateway((all) => ({
      ...breakingInsert(true)(all),
      discardRequests: storeDown,
    }));

    await call("POST", "/generate", init);
    await advance(60_000);

    expect(notes.at(-1)).toMatchObject({ confirmedThrough: idsIn(store)[0] });
  });
});

describe("a keyed request that was refused and not stored", () => {
  test("releases its hold once that is certain, and the same call again is a new request", async () => {
    const { call, admitted, settled, published, advance, gateway, store } = createFakeGateway(
      breakingInsert(false),
    );

    const first = await call("POST", "/generate", init);
    await advance(1_000);
    const settledTooEarly = [...settled];
    await advance(15_000);
    const again = await call("POST", "/generate", init);
    await untilIdle();

    expect([first.status, again.status]).toEqual([503, 202]);
    expect(admitted).toHaveLength(2);
    expect(settledTooEarly).toEqual([]);
    expect(settled.map((settlement) => settlement.requestId)).toEqual(admitted.slice(0, 1));
    expect(idsIn(store)).toEqual(admitted.slice(1));
    expect(published.map((request) => request.head.requestId)).toEqual(admitted.slice(1));
    await gateway.endDrain(0);
  });
});
