import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import {
  admitInModel,
  beginLoadInModel,
  forgetInModel,
  loadInModel,
  setLimitsInModel,
  UNKNOWN_USER,
  useOfModel,
} from "../../test/support/fakes/quota-model.ts";
import type { Settlement } from "../../core/quota/quota.ts";
import type { RedisConnection } from "./connection.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
import { expectSameBooks, expectSameSureness } from "../../test/support/quota-comparison.ts";
import {
  createWorld,
  idsWhere,
  ledgerOf,
  type QuotaWorld,
  readWorldTruth,
  settleInWorld,
  todayOf,
} from "../../test/support/quota-world.ts";
import { limitsOf, newId } from "../../test/support/quota-samples.ts";
import { connectForTest, ownDatabaseUrl } from "../../test/support/redis.ts";

setDefaultTimeout(120_000);

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2027, 0, 30, 20);

let redis: RedisConnection;
let world: QuotaWorld;
let store: QuotaStore;

beforeAll(async () => {
  redis = await connectForTest(ownDatabaseUrl());
  store = createQuotaStore(redis, { clockMs: () => world.nowMs });
});
afterAll(() => redis.close());

/** One step of a random history: does the same to Redis and to the model and compares the replies. */
type Step = () => Promise<void>;

function pick<Item>(items: readonly Item[], index: number): Item | undefined {
  return items[index % Math.max(1, items.length)];
}

const admit =
  (requestId: string, tokens: number): Step =>
  async () => {
    const admission = { userId: world.userId, requestId, tokens };
    const [model, kind] = admitInModel(world.model, admission, world.nowMs, todayOf(world));
    world.model = model;

    const reply = await store.admit(admission);

    expect(reply.kind).toBe(kind);
    if (reply.kind === "unknown") return;
    if (kind === "unknown") throw new Error("the model says otherwise");
    expect(reply.snapshot).toEqual(useOfModel(model, world.nowMs, todayOf(world), kind));
    const hold = model.holds[requestId];
    if (reply.kind === "refused" || hold === undefined) return;
    // A repeat after its hold was lost takes a new one, maybe on another day: the row is stored with that
    // day.
    world.requests.set(requestId, {
      day: hold.day,
      tokens: hold.tokens,
      state: "held",
      billedTokens: null,
      failedExecutions: 0,
      isSettled: false,
    });
  };

const settle =
  (settlement: Settlement): Step =>
  async () => {
    const expected = settleInWorld(world, settlement);
    expect(await store.settle([settlement])).toEqual([expected] as never);
  };

const beginLoad: Step = async () => {
  const ticket = await store.beginLoad(world.userId);
  const [model, nonce] = beginLoadInModel(world.model, ticket?.nonce ?? "none");
  world.model = model;
  expect(ticket?.nonce).toBe(nonce as never);
  if (ticket !== undefined) world.loaders.push({ ticket, truth: undefined });
};

const readTruth =
  (index: number): Step =>
  async () => {
    const loader = pick(world.loaders, index);
    if (loader) loader.truth = readWorldTruth(world, loader.ticket.recentRequestIds);
  };

const load =
  (index: number): Step =>
  async () => {
    const loader = pick(world.loaders, index);
    if (loader?.truth === undefined) return;
    const { ticket, truth } = loader;
    const [model, expected] = loadInModel(world.model, ticket.nonce, truth, todayOf(world));
    world.model = model;
    expect(await store.load(world.userId, ticket, truth)).toBe(expected);
  };

const rebuild: Step = async () => {
  await beginLoad();
  const last = world.loaders.length - 1;
  if (last < 0) return;
  await readTruth(last)();
  await load(last)();
};

const ofHeld =
  (index: number, act: (id: string) => Promise<void>): Step =>
  async () => {
    const id = pick(
      idsWhere(world, ({ state }) => state === "held"),
      index,
    );
    if (id !== undefined) await act(id);
  };

const commit = (index: number): Step =>
  ofHeld(index, async (id) => {
    const request = world.requests.get(id);
    if (request) request.state = "stored";
  });

async function commitAll(): Promise<void> {
  const inFlight = idsWhere(world, ({ state }) => state === "held").length;
  for (let i = 0; i < inFlight; i++) await commit(0)();
}

/** The accept failed: nothing was stored, the hold is released. */
const abandon = (index: number): Step =>
  ofHeld(index, async (requestId) => {
    world.requests.delete(requestId);
    const { userId } = world;
    await settle({
      userId,
      requestId,
      billedTokens: null,
      failedExecutions: 0,
      expectHold: false,
    })();
  });

/** How a request ended: what is billed, and how many of its executions failed. */
interface End {
  billedTokens: number | null;
  failedExecutions: number;
}

const end =
  (index: number, how: End): Step =>
  async () => {
    const id = pick(
      idsWhere(world, ({ state }) => state === "stored"),
      index,
    );
    const request = id === undefined ? undefined : world.requests.get(id);
    if (request) Object.assign(request, { state: "ended", ...how });
  };

const settleEnded =
  (index: number, isRepeat: boolean): Step =>
  async () => {
    const id = pick(
      idsWhere(world, (request) => request.state === "ended" && request.isSettled === isRepeat),
      index,
    );
    const request = id === undefined ? undefined : world.requests.get(id);
    if (id === undefined || !request) return;
    request.isSettled = true;
    const { billedTokens, failedExecutions } = request;
    const { userId } = world;
    const expectHold = !isRepeat;
    await settle({ userId, requestId: id, billedTokens, failedExecutions, expectHold })();
  };

const flush: Step = async () => {
  await redis.run(({ client }) => client.flushdb());
  world.model = UNKNOWN_USER;
};

const forget: Step = async () => {
  await store.forget(world.userId);
  world.model = forgetInModel(world.model);
};

const setLimits =
  (dailyTokens: number, concurrent: number): Step =>
  async () => {
    world.limits = limitsOf({
      dailyTokens,
      concurrent,
      dailyFailed: concurrent,
      monthlyFailed: concurrent + 3,
      dailyRequests: concurrent + 2,
      monthlyTokens: 3 * dailyTokens,
    });
    world.model = setLimitsInModel(world.model, world.limits);
    await store.setLimits(world.userId, world.limits);
  };

const advance =
  (hours: number): Step =>
  async () => {
    // No accept takes an hour between its hold and its commit.
    await commitAll();
    world.nowMs += hours * HOUR_MS;
  };

/** A user is loaded while other things happen between the reading of PostgreSQL and the load. */
const racedRebuild =
  (meanwhile: readonly Step[]): Step =>
  async () => {
    await forget();
    await beginLoad();
    const last = world.loaders.length - 1;
    await readTruth(last)();
    for (const take of meanwhile) await take();
    await load(last)();
  };

const index = fc.nat(9);
// Few sizes, so that limits are met exactly.
const tokens = fc.constantFrom(0, 10, 20, 50);
const howItEnds: fc.Arbitrary<End> = fc.oneof(
  fc.constant({ billedTokens: null, failedExecutions: 0 }),
  fc.record({ billedTokens: tokens, failedExecutions: fc.constantFrom(0, 0, 1, 4) }),
  fc.constantFrom(1, 3).map((failedExecutions) => ({ billedTokens: 0, failedExecutions })),
);
const endAndSettle = fc.tuple(index, howItEnds).map(([at, how]): Step => async () => {
  await end(at, how)();
  await settleEnded(0, false)();
});
const changeLimits = fc
  .tuple(fc.constantFrom(50, 100, 200), fc.integer({ min: 1, max: 12 }))
  .map(([dailyTokens, concurrent]) => setLimits(dailyTokens, concurrent));
const duringLoad = fc.oneof(
  { weight: 4, arbitrary: endAndSettle },
  { weight: 2, arbitrary: index.map(commit) },
  { weight: 1, arbitrary: index.map(abandon) },
  { weight: 1, arbitrary: index.map((at) => settleEnded(at, true)) },
  { weight: 1, arbitrary: changeLimits },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: tokens.map((amount) => admit(newId(), amount)) },
  { weight: 2, arbitrary: index.map((at) => ofHeld(at, (id) => admit(id, 7)())) },
  { weight: 5, arbitrary: index.map(commit) },
  { weight: 1, arbitrary: index.map(abandon) },
  { weight: 3, arbitrary: fc.tuple(index, howItEnds).map(([at, how]) => end(at, how)) },
  { weight: 4, arbitrary: index.map((at) => settleEnded(at, false)) },
  { weight: 2, arbitrary: index.map((at) => settleEnded(at, true)) },
  { weight: 1, arbitrary: fc.constant(beginLoad) },
  { weight: 1, arbitrary: index.map(readTruth) },
  { weight: 1, arbitrary: index.map(load) },
  { weight: 3, arbitrary: fc.constant(rebuild) },
  { weight: 2, arbitrary: fc.array(duringLoad, { maxLength: 5 }).map(racedRebuild) },
  { weight: 1, arbitrary: fc.constant(flush) },
  { weight: 1, arbitrary: changeLimits },
  { weight: 2, arbitrary: fc.constantFrom(1, 5, 26).map(advance) },
);

/** Lets everything under way come to its end, as it does when things go quiet. */
async function comeToRest(): Promise<void> {
  await commitAll();
  const open = idsWhere(world, ({ state }) => state === "stored").length;
  for (let i = 0; i < open; i++)
    await end(0, { billedTokens: i % 3 === 0 ? null : i, failedExecutions: i % 3 })();
  const pending = idsWhere(world, ({ isSettled }) => !isSettled).length;
  for (let i = 0; i < pending; i++) await settleEnded(0, false)();
  // An unsure load lasts two seconds.
  if (world.model.isUnsure) await forget();
  await rebuild();
}

test("after any history Redis counts what the model says and, at rest, what the ledger says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const limits = limitsOf({
        dailyTokens: 200,
        monthlyTokens: 300,
        monthlyRequests: 40,
        dailyFailed: 5,
        monthlyFailed: 8,
        concurrent: 9,
      });
      world = createWorld(newId(), START_MS, limits);
      await rebuild();

      for (const take of steps) {
        await take();
        await expectSameBooks(redis, store, world);
        await expectSameSureness(redis, world);
      }
      await comeToRest();
      await expectSameBooks(redis, store, world);

      const snapshot = await store.read(world.userId);
      for (const kind of ["daily", "monthly"] as const) {
        const { failedExecutions, ...used } = ledgerOf(world, kind);
        expect(snapshot?.windows[kind].used).toEqual(used);
        expect(snapshot?.failedExecutions[kind].used).toBe(failedExecutions);
        expect(snapshot?.windows[kind].held).toEqual({ requests: 0, tokens: 0 });
      }
      expect(snapshot?.openRequests).toBe(0);
    }),
    { numRuns: 200 },
  );
});
