import { describe, expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { untilIdle } from "../../test/support/clock.ts";
import {
  createFakeGateway,
  problemOf,
  storeDown,
  storedRequest,
} from "../../test/support/gateway-world.ts";
import type { GatewayPorts } from "../ports.ts";
import { NO_HINTS } from "./request-view.ts";

const ID = "01900000-0000-7000-8000-000000000001";
const STARTED = { ...NO_HINTS, started: { attempt: 1, startedAtMs: 5 } };

const redisDown = (): Promise<never> =>
  Promise.reject(new Fault("QUOTA_UNAVAILABLE", "Redis does not answer"));

/** A gateway with one queued request. */
function withRequest(overrides: Partial<GatewayPorts> = {}) {
  const fake = createFakeGateway(overrides);
  fake.stored.set(ID, storedRequest(ID));
  const cancel = () => fake.call("POST", `/requests/${ID}/cancel`);
  const end = (state: "cancelled" | "completed"): void => {
    fake.stored.set(ID, storedRequest(ID, { state, totalTokens: 7, completedAtMs: 1 }));
    void fake.signals.announceFinished([ID]);
  };
  return { ...fake, cancel, end };
}

describe("cancelling a request that no worker has started", () => {
  test("ends it at once, bills nothing and releases its hold", async () => {
    const { cancel, finishes, settled } = withRequest();

    const response = await cancel();

    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      request_id: ID,
      status: "cancelled",
      error: { code: "CANCELLED" },
      tokens: { total: null, refunded: 100 },
    });
    expect(finishes).toMatchObject([{ state: "cancelled", usage: null, attempts: 0 }]);
    expect(settled).toEqual([
      {
        userId: "user-1",
        requestId: ID,
        billedTokens: null,
        failedExecutions: 0,
        expectHold: true,
      },
    ]);
  });

  test("counts the attempts that it has had, and takes it out of what is parked", async () => {
    const { cancel, finishes, settled, unparked } = withRequest({
      readHints: async () => [{ ...NO_HINTS, attemptsMade: 2 }],
    });

    const response = await cancel();

    expect(await response.json()).toMatchObject({
      status: "cancelled",
      attempts: 2,
      tokens: { total: null, refunded: 100 },
    });
    expect(finishes).toMatchObject([{ state: "cancelled", usage: null, attempts: 2 }]);
    expect(settled).toMatchObject([{ billedTokens: 0, failedExecutions: 2, expectHold: true }]);
    expect(unparked).toEqual([ID]);
  });

  test("is done even if it cannot be taken out of what is parked", async () => {
    const { cancel, settled } = withRequest({ deleteParked: storeDown });

    expect((await cancel()).status).toBe(200);
    expect(settled).toHaveLength(1);
  });

  test("marks it before it looks for a start, so that a worker cannot begin in between", async () => {
    const steps: string[] = [];
    const { cancel } = withRequest({
      markCancelled: async () => void steps.push("mark"),
      readHints: async (lookups) => {
        steps.push("look");
        return lookups.map(() => NO_HINTS);
      },
    });

    await cancel();

    // The first look is that of the status, which decides nothing.
    expect(steps).toEqual(["look", "mark", "look"]);
  });

  test("wakes whoever waits for it", async () => {
    const { call, cancel } = withRequest();
    const waiting = call("GET", `/status/${ID}?wait=30`);
    await untilIdle();

    await cancel();

    expect(await (await waiting).json()).toMatchObject({ status: "cancelled" });
  });

  test("is done even if the hold cannot be released at once: the keeper releases it", async () => {
    const { cancel } = withRequest({ settle: redisDown });

    expect((await cancel()).status).toBe(200);
  });

  test("lets an end that was committed first stand, and settles nothing", async () => {
    const { cancel, settled, end, finishes } = withRequest({
      markCancelled: async () => end("completed"),
    });

    const response = await cancel();

    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({
      code: "REQUEST_TERMINAL",
      state: "completed",
    });
    expect({ finishes, settled }).toEqual({ finishes: [], settled: [] });
  });
});

describe("cancelling a request that a worker executes", () => {
  test("tells the worker and returns as soon as its result is settled", async () => {
    const { cancel, end, cancelsAnnounced, finishes } = withRequest({
      readHints: async () => [STARTED],
    });
    const response = cancel();
    await untilIdle();

    end("cancelled");

    expect((await response).status).toBe(200);
    expect(await (await response).json()).toMatchObject({
      status: "cancelled",
      tokens: { total: 7, refunded: 93 },
    });
    expect({ cancelsAnnounced, finishes }).toEqual({ cancelsAnnounced: [ID], finishes: [] });
  });

  test("returns 202 when the worker takes longer, and says where to read the end", async () => {
    const { cancel, advance } = withRequest({ readHints: async () => [STARTED] });
    const response = cancel();
    await untilIdle();

    await advance(2_000);

    const reply = await response;
    expect(reply.status).toBe(202);
    expect(reply.headers.get("location")).toBe(`/status/${ID}`);
    expect(await reply.json()).toMatchObject({ status: "in_progress", cancelling: true });
  });

  test("returns 409 when it completed before the worker heard of it", async () => {
    const { cancel, end } = withRequest({ readHints: async () => [STARTED] });
    const response = cancel();
    await untilIdle();

    end("completed");

    expect((await response).status).toBe(409);
  });

  test("goes on when the announcement fails: the mark stands", async () => {
    const { cancel, advance, cancelled } = withRequest({
      readHints: async () => [STARTED],
      announceCancel: redisDown,
    });
    const response = cancel();
    await untilIdle();
    await advance(2_000);

    expect((await response).status).toBe(202);
    expect(cancelled).toEqual([ID]);
  });
});

describe("a cancel that cannot be", () => {
  test.each(["completed", "failed", "cancelled", "expired"] as const)(
    "of a request that is %s is refused and touches nothing",
    async (state) => {
      const { call, stored, cancelled, cancelsAnnounced } = createFakeGateway();
      stored.set(ID, storedRequest(ID, { state, completedAtMs: 1 }));

      const response = await call("POST", `/requests/${ID}/cancel`);

      expect(response.status).toBe(409);
      expect(await problemOf(response)).toMatchObject({
        code: "REQUEST_TERMINAL",
        request_id: ID,
        state,
      });
      expect({ cancelled, cancelsAnnounced }).toEqual({ cancelled: [], cancelsAnnounced: [] });
    },
  );

  test("of somebody else's request returns what an unknown one does and touches nothing", async () => {
    const { call, stored, cancelled } = createFakeGateway();
    stored.set(ID, storedRequest(ID, { userId: "somebody-else" }));

    const foreign = await call("POST", `/requests/${ID}/cancel`);
    const unknown = await call("POST", "/requests/01900000-0000-7000-8000-00000000dead/cancel");
    const noUuid = await call("POST", "/requests/nonsense/cancel");

    expect(foreign.status).toBe(404);
    const text = await foreign.text();
    expect([await unknown.text(), await noUuid.text()]).toEqual([text, text]);
    expect(cancelled).toEqual([]);
  });

  test("because Redis is away is refused with 503 and changes nothing", async () => {
    const { cancel, finishes, settled } = withRequest({ markCancelled: redisDown });

    expect((await cancel()).status).toBe(503);
    expect({ finishes, settled }).toEqual({ finishes: [], settled: [] });
  });

  test("while it is not known whether a worker has started returns 503 and ends nothing", async () => {
    const { cancel, finishes } = withRequest({ readHints: redisDown });

    expect((await cancel()).status).toBe(503);
    expect(finishes).toEqual([]);
  });
});
