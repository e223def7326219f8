import { describe, expect, test } from "bun:test";

import { encodeJson } from "../../core/request/payload.ts";
import { untilIdle } from "../../test/support/clock.ts";
import { NO_HINTS } from "./request-view.ts";
import { createFakeGateway, storedRequest } from "../../test/support/gateway-world.ts";

const ID = "01900000-0000-7000-8000-000000000001";

describe("reading a request", () => {
  test("shows the result and what was held, used and given back", async () => {
    const { call, stored } = createFakeGateway();
    stored.set(
      ID,
      storedRequest(ID, {
        state: "completed",
        promptTokens: 10,
        completionTokens: 30,
        totalTokens: 40,
        attempts: 1,
        startedAtMs: 1_000,
        completedAtMs: 2_000,
        metadata: encodeJson({ order: 7 }),
        result: encodeJson({ choices: [{ index: 0, text: "hi", finish_reason: "stop" }] }),
      }),
    );

    const reply: unknown = await (await call("GET", `/status/${ID}`)).json();

    expect(reply).toMatchObject({
      request_id: ID,
      status: "completed",
      result: { choices: [{ index: 0, text: "hi", finish_reason: "stop" }] },
      tokens: { estimated: 100, prompt: 10, completion: 30, total: 40, refunded: 60 },
      attempts: 1,
      started_at: "1970-01-01T00:00:01.000Z",
      completed_at: "1970-01-01T00:00:02.000Z",
      metadata: { order: 7 },
    });
  });

  test("shows it in progress once a worker has begun", async () => {
    const { call, stored } = createFakeGateway({
      readHints: async (lookups) =>
        lookups.map(() => ({ ...NO_HINTS, started: { attempt: 2, startedAtMs: 5 } })),
    });
    stored.set(ID, storedRequest(ID));

    const response = await call("GET", `/status/${ID}`);

    expect(await response.json()).toMatchObject({
      status: "in_progress",
      attempts: 2,
      tokens: { total: null, refunded: null },
    });
    expect(response.headers.get("retry-after")).toBe("1");
  });

  test("of somebody else returns exactly what an unknown one does", async () => {
    const { call, stored } = createFakeGateway();
    stored.set(ID, storedRequest(ID, { userId: "somebody-else" }));

    const foreign = await call("GET", `/status/${ID}`);
    const unknown = await call("GET", "/status/01900000-0000-7000-8000-00000000dead");
    const noUuid = await call("GET", "/status/nonsense");

    expect(foreign.status).toBe(404);
    const text = await foreign.text();
    expect([await unknown.text(), await noUuid.text()]).toEqual([text, text]);
  });

  test("reads of one tick share one query", async () => {
    let queries = 0;
    const { call } = createFakeGateway({
      findRequests: async (lookups) => {
        queries += 1;
        return lookups.map(({ requestId }) =>
          storedRequest(requestId, { state: "cancelled", completedAtMs: 1 }),
        );
      },
    });
    await call("GET", `/status/${ID}`);
    queries = 0;

    await Promise.all(Array.from({ length: 50 }, () => call("GET", `/status/${ID}`)));

    expect(queries).toBe(1);
  });
});

describe("waiting for a request", () => {
  test("ends as soon as its end is announced", async () => {
    const { call, stored, signals, gateway } = createFakeGateway();
    stored.set(ID, storedRequest(ID));
    const response = call("GET", `/status/${ID}?wait=30`);
    await untilIdle();

    stored.set(
      ID,
      storedRequest(ID, {
        state: "failed",
        errorCode: "UPSTREAM_TIMEOUT",
        errorMessage: "too slow",
        completedAtMs: 1,
      }),
    );
    await signals.announceFinished([ID]);

    expect(await (await response).json()).toMatchObject({
      status: "failed",
      error: { code: "UPSTREAM_TIMEOUT" },
    });
    await gateway.endDrain(0);
  });

  test("misses no end that comes between the reading and the waiting", async () => {
    const { call, stored, signals } = createFakeGateway({
      findRequests: async (lookups) => {
        const before = lookups.map(({ requestId }) => stored.get(requestId));
        if (stored.get(ID)?.state === "queued") {
          stored.set(ID, storedRequest(ID, { state: "cancelled", completedAtMs: 1 }));
          await signals.announceFinished([ID]);
        }
        return before;
      },
    });
    stored.set(ID, storedRequest(ID));

    expect(await (await call("GET", `/status/${ID}?wait=30`)).json()).toMatchObject({
      status: "cancelled",
    });
  });

  test("ends by the recheck when the announcement was lost", async () => {
    const { call, stored, advance } = createFakeGateway();
    stored.set(ID, storedRequest(ID));
    const response = call("GET", `/status/${ID}?wait=30`);
    await untilIdle();

    stored.set(ID, storedRequest(ID, { state: "cancelled", completedAtMs: 1 }));
    await advance(5_000);

    expect(await (await response).json()).toMatchObject({ status: "cancelled" });
  });

  test("ends with the present state when the time is over, and names the preference it applied", async () => {
    const { call, stored, advance } = createFakeGateway();
    stored.set(ID, storedRequest(ID));
    const response = call("GET", `/status/${ID}`, { headers: { prefer: "respond-async, wait=2" } });
    await untilIdle();

    await advance(2_000);

    const reply = await response;
    expect(reply.headers.get("preference-applied")).toBe("wait=2");
    expect(reply.headers.get("retry-after")).toBe("1");
    expect(await reply.json()).toMatchObject({ status: "queued" });
  });

  test.each([
    ["all users", { waiters_max: 1 }],
    ["one user", { user_waiters_max: 1 }],
  ])(
    "is not done above the bound on waiting calls of %s: the present state comes at once",
    async (_whose, bound) => {
      const { call, stored, gateway } = createFakeGateway({}, bound);
      stored.set(ID, storedRequest(ID));
      const waiting = call("GET", `/status/${ID}?wait=30`);
      await untilIdle();

      const second = await call("GET", `/status/${ID}?wait=30`);
      gateway.beginDrain();

      expect(await second.json()).toMatchObject({ status: "queued" });
      expect((await waiting).status).toBe(200);
    },
  );

  test.each(["51", "-1", "1.5", "soon"])(
    "refuses a wait of %s and says what is allowed",
    async (wait) => {
      const { call } = createFakeGateway();

      const response = await call("GET", `/status/${ID}?wait=${wait}`);

      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({
        code: "PARAMETER_INVALID",
        errors: [{ field: "wait" }],
      });
    },
  );
});
