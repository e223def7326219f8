import { describe, expect, test } from "bun:test";

import type { NewRequest } from "../../core/request/stored-request.ts";
import { untilIdle } from "../../test/support/clock.ts";
import {
  createFakeGateway,
  problemOf,
  snapshotWith,
  storeDown,
  storedRequest,
} from "../../test/support/gateway-world.ts";
import type { GatewayPorts } from "../ports.ts";

const init = { body: { prompt: "x" }, headers: { "idempotency-key": '"order-1"' } };

/**
 * A store that keeps keys like PostgreSQL does and breaks its first insert: with `stored` after the commit,
 * else before it. Rows with a key are not taken out.
 */
function breakingStore(stored: boolean) {
  const rows: NewRequest[] = [];
  let isBroken = true;
  const ports: Partial<GatewayPorts> = {
    insertRequests: async (batch) => {
      if (!isBroken || stored) rows.push(...batch);
      if (isBroken) {
        isBroken = false;
        return storeDown();
      }
      return batch.map(() => ({ kind: "stored" as const }));
    },
    findReplay: async () => {
      const [row] = rows;
      return row && { requestId: row.head.requestId, sameBody: true };
    },
    findRequests: async (lookups) => lookups.map(({ requestId }) => storedRequest(requestId)),
    discardRequests: async (ids) =>
      ids.filter((id) => rows.some((row) => row.head.requestId === id)),
    readQueued: async (ids) =>
      rows
        .filter((row) => ids.includes(row.head.requestId))
        .map((row) => ({ head: row.head, attempt: 1, payload: row.prompt })),
  };
  return { rows, ports };
}

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
    const { rows, ports } = breakingStore(true);
    const { call, admitted, settled, published, advance } = createFakeGateway(ports);

    const first = await call("POST", "/generate", init);
    await advance(15_000);
    const replay = await call("POST", "/generate", init);

    const id = rows[0]?.head.requestId ?? "";
    expect([first.status, replay.status]).toEqual([503, 202]);
    expect((await problemOf(first)).code).toBe("STORE_UNSURE");
    expect(await replay.json()).toMatchObject({ request_id: id });
    expect({ admitted, settled }).toEqual({ admitted: [id], settled: [] });
    expect(published.map((request) => request.head.requestId)).toEqual([id]);
  });

  test("is replayed safely at once, before its fate is known", async () => {
    const { rows, ports } = breakingStore(true);
    const { call, settled, published, advance } = createFakeGateway(ports);

    await call("POST", "/generate", init);
    const replay = await call("POST", "/generate", init);
    await advance(15_000);

    expect(await replay.json()).toMatchObject({ request_id: rows[0]?.head.requestId });
    expect(settled).toEqual([]);
    expect(published).toHaveLength(1);
  });

  test("is left to the keeper when the gateway dies before it knows: the note stays behind", async () => {
    const { rows, ports } = breakingStore(true);
    const { call, notes, advance } = createFakeGateway({ ...ports, discardRequests: storeDown });

    await call("POST", "/generate", init);
    await advance(60_000);

    expect(notes.at(-1)).toMatchObject({ confirmedThrough: rows[0]?.head.requestId });
  });
});

describe("a keyed request that was refused and not stored", () => {
  test("releases its hold once that is certain, and the same call again is a new request", async () => {
    const { rows, ports } = breakingStore(false);
    const { call, admitted, settled, published, advance, gateway } = createFakeGateway(ports);

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
    expect(rows.map((row) => row.head.requestId)).toEqual(admitted.slice(1));
    expect(published.map((request) => request.head.requestId)).toEqual(admitted.slice(1));
    await gateway.endDrain(0);
  });
});
