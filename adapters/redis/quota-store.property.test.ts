import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import {
  admitInModel,
  beginLoadInModel,
  forgetInModel,
  loadInModel,
  setLimitsInModel,
  snapshotOfModel,
  UNKNOWN_USER,
  useOfModel,
} from "../../test/support/fakes/quota-model.ts";
import type { Consumption, Settlement } from "../../core/quota/quota.ts";
import { windowIdOf } from "../../core/quota/windows.ts";
import type { RedisConnection } from "./connection.ts";
import { booksKeys, counterKeys, holdsKey } from "./keys.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
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
    expect(reply.snapshot).toEqual(useOfModel(model, world.nowMs, todayOf(world)));
    const hold = model.holds[requestId];
    if (reply.kind === "refused" || hold === undefined) return;
    // A repeat after its hold was lost takes a new one, maybe on another day: the row is stored with that
    // day.
    world.requests.set(requestId, {
      day: hold.day,
      tokens: hold.tokens,
      state: "held",
      billedTokens: null,
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
    await settle({ userId, requestId, billedTokens: null, expectHold: false })();
  });

const end =
  (index: number, billedTokens: number | null): Step =>
  async () => {
    const id = pick(
      idsWhere(world, ({ state }) => state === "stored"),
      index,
    );
    const request = id === undefined ? undefined : world.requests.get(id);
    if (request) Object.assign(request, { state: "ended", billedTokens });
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
    const { billedTokens } = request;
    await settle({ userId: world.userId, requestId: id, billedTokens, expectHold: !isRepeat })();
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
const endAndSettle = fc.tuple(index, fc.option(tokens)).map(([at, billed]): Step => async () => {
  await end(at, billed)();
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
  { weight: 3, arbitrary: fc.tuple(index, fc.option(tokens)).map(([at, b]) => end(at, b)) },
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

/** An unsure user is known for two seconds at most, so that a later reading corrects the counters. */
async function expectSameSureness(): Promise<void> {
  const ttlMs = await redis.run(({ client }) => client.pttl(booksKeys(world.userId).marker));
  const { isKnown, isUnsure } = world.model;
  if (isKnown) expect(ttlMs <= 2_000).toBe(isUnsure);
}

/** Holds and the counters of the windows that are open or were so until yesterday, as Redis has them. */
async function expectSameBooks(): Promise<void> {
  const { userId, model, nowMs } = world;
  const days = [todayOf(world), new Date(nowMs - 24 * HOUR_MS).toISOString().slice(0, 10)];
  const stored = await redis.run(({ client }) => client.hgetall(holdsKey(userId)));
  const holds = Object.entries(stored).map(([id, hold]) => `${id}|${hold}`.replace(/\|\d+$/, ""));
  const expected = Object.values(model.holds).map((h) => `${h.requestId}|${h.tokens}|${h.day}`);
  expect(new Set(holds)).toEqual(new Set(expected));

  for (const day of days) {
    const [dailyRequests, dailyTokens, heldRequests, heldTokens, monthlyRequests, monthlyTokens] =
      await redis.run(({ client }) => client.mget(counterKeys(userId, day)));
    const daily = model.windows[day]?.used;
    const month = model.windows[windowIdOf("monthly", day)];
    expect([dailyRequests, dailyTokens]).toEqual(asStored(daily));
    expect([monthlyRequests, monthlyTokens]).toEqual(asStored(month?.used));
    const held = Object.values(model.holds).filter((hold) => hold.day === day);
    // What was held in a month that is over is not restored.
    const pinned = month === undefined ? [] : held;
    expect([Number(heldRequests), Number(heldTokens)]).toEqual([
      pinned.length,
      pinned.reduce((sum, hold) => sum + hold.tokens, 0),
    ]);
  }
  if (!model.isKnown) return;
  expect(await store.read(userId)).toEqual(snapshotOfModel(model, nowMs, todayOf(world)));
}

function asStored(amount: Consumption | undefined): (string | null)[] {
  return amount === undefined ? [null, null] : [String(amount.requests), String(amount.tokens)];
}

/** Lets everything under way come to its end, as it does when things go quiet. */
async function comeToRest(): Promise<void> {
  await commitAll();
  const open = idsWhere(world, ({ state }) => state === "stored").length;
  for (let i = 0; i < open; i++) await end(0, i % 3 === 0 ? null : i)();
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
        concurrent: 9,
      });
      world = createWorld(newId(), START_MS, limits);
      await rebuild();

      for (const take of steps) {
        await take();
        await expectSameBooks();
        await expectSameSureness();
      }
      await comeToRest();
      await expectSameBooks();

      const snapshot = await store.read(world.userId);
      for (const kind of ["daily", "monthly"] as const) {
        expect(snapshot?.windows[kind].used).toEqual(ledgerOf(world, kind));
        expect(snapshot?.windows[kind].held).toEqual({ requests: 0, tokens: 0 });
      }
      expect(snapshot?.openRequests).toBe(0);
    }),
    { numRuns: 200 },
  );
});
