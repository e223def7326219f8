import { describe, expect, test } from "bun:test";

import type { AttemptHints } from "../../core/attempt/start.ts";
import { Fault } from "../../core/faults.ts";
import type { ModelLane } from "../../core/queue/lane.ts";
import { HEALTHY, type ModelHealth } from "../../core/queue/model-health.ts";
import { untilIdle } from "../../test/support/clock.ts";
import { createFakeGateway, storedRequest } from "../../test/support/gateway-world.ts";
import { laneView, workerNote } from "../../test/support/lane-samples.ts";
import type { ListReply, StatusReply } from "../http/schemas.ts";
import type { GatewayPorts } from "../ports.ts";
import { NO_HINTS } from "./request-view.ts";

const idOf = (index: number): string =>
  `01900000-0000-7000-8000-${String(index).padStart(12, "0")}`;
const ID = idOf(1);
const NOON_MS = Date.UTC(2026, 10, 21, 12);

const BUSY: Partial<ModelLane> = {
  mode: "parked",
  ready: 4,
  parked: 9,
  ratePerSecond: 2,
  users: 3,
  weights: 3,
};
const UNAVAILABLE: ModelHealth = {
  ...HEALTHY,
  pause: {
    cause: "unreachable",
    message: "the ML service cannot be reached",
    sinceMs: 0,
    pauseMs: 1_000,
    untilMs: NOON_MS + 60_000,
    probe: null,
  },
};

/** A started gateway with so many queued requests. */
async function startWith(
  lane: Partial<ModelLane> | null,
  overrides: Partial<GatewayPorts> = {},
  count = 1,
) {
  const fake = createFakeGateway({
    readLanes: async () => (lane === null ? undefined : laneView(lane)),
    readWorkers: async () => [workerNote()],
    parkedPlaces: async (ids) =>
      ids.map((id) => ({
        ownAhead: Number(id.slice(-12)) - 1,
        attemptsMade: 0,
        lastError: null,
      })),
    ...overrides,
  });
  for (let index = 1; index <= count; index += 1)
    fake.stored.set(idOf(index), storedRequest(idOf(index)));
  await fake.gateway.start();
  const status = async (index = 1): Promise<StatusReply> =>
    (await (await fake.call("GET", `/status/${idOf(index)}`)).json()) as StatusReply;
  const list = async (query = ""): Promise<ListReply> =>
    (await (await fake.call("GET", `/requests${query}`)).json()) as ListReply;
  return { ...fake, status, list };
}

const withHints = (hints: Partial<AttemptHints>): Partial<GatewayPorts> => ({
  readHints: async (lookups) => lookups.map(() => ({ ...NO_HINTS, ...hints })),
});

describe("the status of a request that waits", () => {
  test("says that its user's own go first, how many, and when it should start", async () => {
    const { status } = await startWith(BUSY, {}, 3);

    expect(await status(3)).toMatchObject({
      status: "queued",
      waiting: { reason: "own_requests_ahead", ahead: 2, starts_in_seconds: 5 },
      attempts: 0,
    });
    expect(await status(1)).toMatchObject({
      waiting: { reason: "fair_share", ahead: 4, starts_in_seconds: 2 },
    });
  });

  test("says that its model is unavailable, and what it met last", async () => {
    const { status } = await startWith(BUSY, {
      readHealth: async () => [{ health: UNAVAILABLE, atMs: NOON_MS }],
    });

    expect((await status()).waiting).toEqual({
      reason: "model_unavailable",
      ahead: 0,
      starts_in_seconds: null,
      last_error: { code: "UPSTREAM_UNREACHABLE", message: "the ML service cannot be reached" },
    });
  });

  test("says that an operator has paused its model, and not who", async () => {
    const operatorPause = { by: "ada", reason: "upgrade", atMs: 1 };
    const { status } = await startWith({ ...BUSY, operatorPause });

    const reply = await status();

    expect(reply.waiting?.reason).toBe("model_paused");
    expect(JSON.stringify(reply)).not.toContain("ada");
  });

  test("says that its model was removed", async () => {
    const { status, stored } = await startWith(BUSY);
    stored.set(ID, storedRequest(ID, { model: "gone" }));

    expect((await status()).waiting?.reason).toBe("model_removed");
  });

  test("tells between attempts how many there were, what the last met, when the next is due", async () => {
    const lastError = { code: "UPSTREAM_FAILED", message: "status 500" } as const;
    const { status } = await startWith(
      { ...BUSY, mode: "direct", users: 0, parked: 0 },
      withHints({
        attemptsMade: 2,
        lastStartedAtMs: NOON_MS - 30_000,
        delayedUntilMs: NOON_MS + 5_000,
        lastError,
      }),
    );

    expect(await status()).toMatchObject({
      status: "queued",
      waiting: { reason: "between_attempts", starts_in_seconds: 5 },
      attempts: 2,
      last_error: lastError,
      next_attempt_at: "2026-11-21T12:00:05.000Z",
      started_at: "2026-11-21T11:59:30.000Z",
    });
  });

  test("knows attempts and last error of a parked request also when Redis has forgotten them", async () => {
    const lastError = { code: "UPSTREAM_TIMEOUT", message: "too slow" } as const;
    const { status } = await startWith(BUSY, {
      parkedPlaces: async () => [{ ownAhead: 0, attemptsMade: 3, lastError }],
    });

    expect(await status()).toMatchObject({ attempts: 3, last_error: lastError });
  });

  test("says nothing of waiting once a worker executes it, and after its end", async () => {
    const { status, stored } = await startWith(
      BUSY,
      withHints({ started: { attempt: 2, startedAtMs: NOON_MS }, attemptsMade: 1 }),
    );

    const executed = await status();
    stored.set(ID, storedRequest(ID, { state: "cancelled", attempts: 2, completedAtMs: 1 }));
    const ended = await status();

    expect(executed).toMatchObject({
      status: "in_progress",
      attempts: 2,
      started_at: "2026-11-21T12:00:00.000Z",
    });
    expect([executed.waiting, ended.waiting]).toEqual([undefined, undefined]);
    expect(Object.keys(ended)).not.toContain("next_attempt_at");
  });

  test("is answered also while what it waits for cannot be read", async () => {
    const away = (): Promise<never> => Promise.reject(new Fault("QUOTA_UNAVAILABLE", "away"));
    const { status } = await startWith(BUSY, {
      readHints: away,
      parkedPlaces: away,
      readHealth: away,
      readWorkers: away,
    });

    expect(await status()).toMatchObject({
      status: "queued",
      waiting: { reason: "fair_share", ahead: 3, starts_in_seconds: 2 },
    });
  });
});

describe("why requests wait", () => {
  /** Counts the calls of ports. */
  async function startCounting(lane: Partial<ModelLane>, count: number) {
    const calls: Record<string, number> = {};
    const counted = (name: string): void => void (calls[name] = (calls[name] ?? 0) + 1);
    const started = await startWith(
      lane,
      {
        readHints: async (lookups) => {
          counted("hints");
          return lookups.map(() => NO_HINTS);
        },
        parkedPlaces: async (ids) => {
          counted("places");
          return ids.map((_id, index) => ({
            ownAhead: index,
            attemptsMade: 0,
            lastError: null,
          }));
        },
        readLanes: async () => {
          counted("redis");
          return laneView(lane);
        },
        readHealth: async (models) => {
          counted("redis");
          return models.map(() => ({ health: HEALTHY, atMs: NOON_MS }));
        },
        readWorkers: async () => {
          counted("redis");
          return [workerNote()];
        },
      },
      count,
    );
    for (const name of Object.keys(calls)) delete calls[name];
    return { ...started, calls };
  }

  test.each(["", "&status=queued"])("is read once for a whole page of a list%s", async (filter) => {
    const { list, calls } = await startCounting(BUSY, 90);

    const { data } = await list(`?limit=50${filter}`);

    expect(data.map(({ waiting }) => waiting?.ahead)).toEqual([
      4,
      ...Array.from({ length: 49 }, (_, index) => index + 1),
    ]);
    expect(calls).toEqual({ hints: 1, places: 1 });
  });

  test("costs PostgreSQL nothing while nobody waits", async () => {
    const { list, status, calls } = await startCounting({ allowance: 5 }, 3);

    await list();
    await status();

    expect(calls).toEqual({ hints: 2 });
  });

  test("is not read by a long-poll before its wait is over", async () => {
    const { call, calls, advance } = await startCounting(BUSY, 1);
    const response = call("GET", `/status/${ID}?wait=2`);
    await untilIdle();
    const whileWaiting = { ...calls };

    await advance(2_000);
    const reply = (await (await response).json()) as StatusReply;

    expect(whileWaiting).toEqual({});
    expect(reply.waiting?.reason).toBe("fair_share");
    expect(calls).toMatchObject({ hints: 1, places: 1 });
  });
});

describe("an accepted request", () => {
  const accept = async (overrides: Partial<GatewayPorts>): Promise<unknown> => {
    const { call } = await startWith({ allowance: 5 }, overrides);
    const response = await call("POST", "/generate", { body: { prompt: "x" } });
    expect(response.status).toBe(202);
    expect(response.headers.get("retry-after")).toBeNull();
    return ((await response.json()) as { waiting?: unknown }).waiting;
  };

  test("says so when no worker that runs can call its model", async () => {
    expect(await accept({ readWorkers: async () => [workerNote("key_missing")] })).toEqual({
      reason: "no_worker",
      ahead: 0,
      starts_in_seconds: null,
    });
  });

  test("says so when its model is unavailable, and with what", async () => {
    const health = { health: UNAVAILABLE, atMs: NOON_MS };

    expect(await accept({ readHealth: async () => [health] })).toMatchObject({
      reason: "model_unavailable",
      last_error: { code: "UPSTREAM_UNREACHABLE" },
    });
  });

  test("says nothing when its model can be called, or no worker runs yet: one is woken", async () => {
    expect(await accept({})).toBeUndefined();
    expect(await accept({ readWorkers: async () => [] })).toBeUndefined();
  });
});
