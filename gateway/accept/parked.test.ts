import { describe, expect, test } from "bun:test";

import type { NewRequest } from "../../core/request/stored-request.ts";
import { untilIdle } from "../../test/support/clock.ts";
import { createFakeGateway, snapshotWith, storeDown } from "../../test/support/gateway-world.ts";
import { laneView } from "../../test/support/lane-samples.ts";
import type { GatewayPorts } from "../ports.ts";

const PARKED: Partial<GatewayPorts> = { readLanes: async () => laneView({ mode: "parked" }) };
const body = { prompt: "x" };

async function startGateway(overrides: Partial<GatewayPorts> = PARKED) {
  const fake = createFakeGateway(overrides);
  await fake.gateway.start();
  const depth = async (): Promise<number | undefined> => {
    await fake.advance(1_000);
    return fake.notes.at(-1)?.unconfirmed;
  };
  return { ...fake, depth };
}

describe("a request that may not be published now", () => {
  test("is accepted and stored as parked, and the dispatcher is told instead of the broker", async () => {
    const { call, rows, published, announced, depth } = await startGateway();

    const response = await call("POST", "/generate", { body });
    await untilIdle();

    expect(response.status).toBe(202);
    expect(rows).toMatchObject([{ isParked: true, priority: "normal" }]);
    expect(published).toEqual([]);
    expect(announced).toEqual([[{ model: "small", userId: "user-1", priority: "normal" }]]);
    expect(await depth()).toBe(0);
  });

  test("is one beyond the allowance: those before it are published", async () => {
    const { call, rows, published } = await startGateway({
      readLanes: async () => laneView({ allowance: 2 }),
    });

    for (let index = 0; index < 3; index += 1) await call("POST", "/generate", { body });

    expect(rows.map(({ isParked }) => isParked)).toEqual([false, false, true]);
    expect(published).toHaveLength(2);
  });

  test("is told of only when it is stored", async () => {
    const refused: Partial<GatewayPorts>[] = [
      { insertRequests: storeDown },
      { admit: async () => ({ admitted: false, snapshot: snapshotWith(1, 1) }) },
      { insertRequests: async (rows) => rows.map(() => ({ kind: "late" as const })) },
    ];

    for (const overrides of refused) {
      const { call, announced, depth } = await startGateway({ ...PARKED, ...overrides });
      const { status } = await call("POST", "/generate", { body });
      await untilIdle();

      expect(status).toBeGreaterThan(400);
      expect(announced).toEqual([]);
      await depth();
    }
  });

  test("is told of, and not published, when it turns out to be stored after all", async () => {
    const stored: NewRequest[] = [];
    const { call, published, announced, depth } = await startGateway({
      ...PARKED,
      insertRequests: async (rows) => {
        stored.push(...rows);
        return storeDown();
      },
      // It has an Idempotency-Key, so it stays.
      discardRequests: async (ids) => ids,
      readQueued: async () =>
        stored.map(({ head, prompt: payload }) => ({ head, attempt: 1, payload })),
    });

    const headers = { "idempotency-key": '"k"' };
    const response = await call("POST", "/generate", { body, headers });
    const left = await depth();

    expect(response.status).toBe(503);
    expect(announced.flat()).toEqual([{ model: "small", userId: "user-1", priority: "normal" }]);
    expect({ published, left }).toEqual({ published: [], left: 0 });
  });

  test("costs the accept no call of its own while nobody waits", async () => {
    let calls = 0;
    const counted = async <Result>(result: Result): Promise<Result> => {
      calls += 1;
      return result;
    };
    const { call, announced } = await startGateway({
      readLanes: () => counted(laneView({ allowance: 1_000 })),
      readHealth: () => counted([]),
      readWorkers: () => counted([]),
    });
    calls = 0;

    for (let index = 0; index < 20; index += 1) await call("POST", "/generate", { body });

    expect({ calls, announced }).toEqual({ calls: 0, announced: [] });
  });
});

describe("a request's class", () => {
  test("is stored and goes with its message", async () => {
    const { call, rows, published } = await startGateway({});

    await call("POST", "/generate", { body: { ...body, priority: "low" } });
    await call("POST", "/generate", { body });

    expect(rows.map(({ priority }) => priority)).toEqual(["low", "normal"]);
    expect(published.map(({ priority }) => priority)).toEqual(["low", undefined]);
  });
});
