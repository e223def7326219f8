import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";

import { dayOf } from "../../core/quota/windows.ts";
import { limitsOf, newId } from "../support/quota-samples.ts";
import { describeBooks } from "./quota-books.ts";
import { describeFailures } from "./quota-failures.ts";
import { describeLoads } from "./quota-loads.ts";
import { createQuotaActs, type QuotaActs, type QuotaSubject } from "./quota-subject.ts";

/** What the quota store and the books of the holds promise. `damages`: kinds of `damage`. */
export function describeQuotaContract(
  name: string,
  damages: readonly string[],
  makeSubject: () => Promise<QuotaSubject>,
): void {
  let made: QuotaSubject;
  beforeAll(async () => {
    made = await makeSubject();
  });
  afterAll(() => made.stop());
  beforeEach(() => made.setClock(null));

  const acts = createQuotaActs(() => made);
  describeAdmissions(name, acts);
  describeSettlements(name, damages, acts);
  describeFailures(name, acts);
  describeLoads(name, damages, acts);
  describeBooks(name, damages, acts);
  describeOutage(name, acts);
}

function describeAdmissions(name: string, acts: QuotaActs): void {
  const { subject, loadFresh, admit, usedTokens } = acts;

  describe(`an admission: ${name}`, () => {
    test("of a user who was never loaded takes nothing", async () => {
      const userId = newId();

      const reply = await subject().quota.admit({ userId, requestId: newId(), tokens: 1 });

      expect(reply).toEqual({ kind: "unknown" });
      expect(await subject().quota.read(userId)).toBeUndefined();
    });

    test("of 1000 at once on two connections exactly those are admitted that fit", async () => {
      const userId = await loadFresh(limitsOf({ dailyTokens: 370, monthlyTokens: 1_000_000 }));
      const stores = [subject().quota, subject().other];

      const replies = await Promise.all(
        Array.from({ length: 1_000 }, (_, i) =>
          (stores[i % 2] ?? subject().quota).admit({ userId, requestId: newId(), tokens: 10 }),
        ),
      );

      expect(replies.filter(({ kind }) => kind === "admitted")).toHaveLength(37);
      expect(replies.filter(({ kind }) => kind === "refused")).toHaveLength(963);
      expect(await usedTokens(userId)).toEqual([370, 370]);
    });

    test("tells what the windows and the holds were when it was decided", async () => {
      const userId = await loadFresh(limitsOf({ dailyTokens: 50, concurrent: 3 }));

      const reply = await subject().quota.admit({ userId, requestId: newId(), tokens: 10 });

      const { atMs, day } = (await subject().quota.read(userId)) ?? {};
      const used = { requests: 1, tokens: 10 };
      expect(Math.abs((atMs ?? 0) - Date.now())).toBeLessThan(5_000);
      expect(reply).toEqual({
        kind: "admitted",
        snapshot: {
          atMs: expect.any(Number),
          day,
          openRequests: 1,
          concurrentRequests: 3,
          windows: {
            daily: { limit: { requests: null, tokens: 50 }, used },
            monthly: { limit: { requests: null, tokens: null }, used },
          },
          failedExecutions: {},
        },
      } as never);
    });

    test.each([
      ["daily requests", limitsOf({ dailyRequests: 1 })],
      ["daily tokens", limitsOf({ dailyTokens: 19 })],
      ["monthly requests", limitsOf({ monthlyRequests: 1 })],
      ["monthly tokens", limitsOf({ monthlyTokens: 19 })],
      ["open requests", limitsOf({ concurrent: 1 })],
    ])("takes nothing anywhere when %s are short", async (_, limits) => {
      const userId = await loadFresh(limits);
      await admit(userId, 10);
      const before = await subject().quota.read(userId);

      const reply = await subject().quota.admit({ userId, requestId: newId(), tokens: 10 });

      expect(reply.kind).toBe("refused");
      expect(await subject().quota.read(userId)).toEqual({
        ...before,
        atMs: expect.any(Number),
      } as never);
    });

    test("that is repeated takes nothing twice, even when the window is full by then", async () => {
      const userId = await loadFresh(limitsOf({ dailyTokens: 10 }));
      const admission = { userId, requestId: newId(), tokens: 10 };

      const first = await subject().quota.admit(admission);
      const second = await subject().quota.admit(admission);

      expect([first.kind, second.kind]).toEqual(["admitted", "admitted"]);
      expect(await usedTokens(userId)).toEqual([10, 10]);
    });
  });
}

function describeSettlements(name: string, damages: readonly string[], acts: QuotaActs): void {
  const { subject, loadFresh, beginLoad, admit, usedTokens } = acts;

  describe(`a settlement: ${name}`, () => {
    test("is charged once however often it is asked", async () => {
      const userId = await loadFresh(limitsOf());
      const requestId = await admit(userId, 100);
      const settlement = {
        userId,
        requestId,
        billedTokens: 40,
        failedExecutions: 0,
        expectHold: false,
      };

      const replies = await subject().quota.settle([settlement, settlement, settlement]);

      expect(replies).toEqual(["settled", "absent", "absent"]);
      expect(await usedTokens(userId)).toEqual([40, 40]);
    });

    test("of more than was held is charged in full, and the next request is refused", async () => {
      const userId = await loadFresh(limitsOf({ dailyTokens: 100 }));
      const requestId = await admit(userId, 90);

      await subject().quota.settle([
        { userId, requestId, billedTokens: 130, failedExecutions: 0, expectHold: true },
      ]);

      expect(await usedTokens(userId)).toEqual([130, 130]);
      const next = await subject().quota.admit({ userId, requestId: newId(), tokens: 0 });
      expect(next.kind).toBe("refused");
    });

    test("with nothing gives back the request and all its tokens", async () => {
      const userId = await loadFresh(limitsOf({ dailyRequests: 1 }));
      const before = await subject().quota.read(userId);
      const requestId = await admit(userId, 90);

      await subject().quota.settle([
        { userId, requestId, billedTokens: null, failedExecutions: 0, expectHold: true },
      ]);

      expect(await subject().quota.read(userId)).toEqual({
        ...before,
        atMs: expect.any(Number),
      } as never);
    });

    test("after midnight at the end of a month goes to the windows that were charged", async () => {
      const beforeMs = Date.UTC(2028, 1, 29, 23, 59, 59, 900);
      subject().setClock(beforeMs);
      const userId = await loadFresh(limitsOf());
      const requestId = await admit(userId, 100);

      subject().setClock(beforeMs + 200);
      await subject().quota.settle([
        { userId, requestId, billedTokens: 30, failedExecutions: 0, expectHold: true },
      ]);

      expect(await usedTokens(userId)).toEqual([0, 0]);
      subject().setClock(beforeMs);
      expect(await usedTokens(userId)).toEqual([30, 30]);
    });

    test("that misses the hold it expects makes the user be rebuilt", async () => {
      const userId = await loadFresh(limitsOf());
      const missing = { userId, requestId: newId(), billedTokens: 5, failedExecutions: 0 };

      await subject().quota.settle([{ ...missing, expectHold: false }]);
      const afterRepeat = await subject().quota.read(userId);
      await subject().ageLoad(userId, 2_500);
      await subject().quota.settle([{ ...missing, expectHold: true }]);

      expect(afterRepeat).toBeDefined();
      expect(await subject().quota.read(userId)).toBeUndefined();
    });

    test(
      "that misses its hold right after a load leaves the user known for two seconds, " +
        "so that loads do not cause each other",
      async () => {
        const userId = await loadFresh(limitsOf());

        await subject().quota.settle([
          { userId, requestId: newId(), billedTokens: 5, failedExecutions: 0, expectHold: true },
        ]);

        expect(await subject().quota.read(userId)).toBeDefined();
        expect(await subject().knownForMs(userId)).toBeWithin(1, 2_001);
      },
    );

    test("ends the mark that an attempt is under way", async () => {
      const userId = await loadFresh(limitsOf());
      const request = { userId, requestId: await admit(userId, 5) };
      const attempt = { attempt: 1, startedAtMs: 1_000, redelivered: false };
      await subject().hints.markStarted({ ...request, ...attempt });

      await subject().quota.settle([
        { ...request, billedTokens: 4, failedExecutions: 0, expectHold: true },
      ]);

      expect(await subject().hints.readStarted([request])).toEqual([undefined]);
    });

    test.each(damages)(
      "of a user with %s stops no other settlement, and that user is rebuilt",
      async (kind) => {
        const [broken, sound] = [await loadFresh(limitsOf()), await loadFresh(limitsOf())];
        const [a, b, c] = [await admit(broken, 10), await admit(sound, 10), await admit(sound, 10)];
        await subject().damage(kind, broken, a);

        const replies = await subject().quota.settle([
          { userId: sound, requestId: b, billedTokens: 4, failedExecutions: 0, expectHold: true },
          { userId: broken, requestId: a, billedTokens: 4, failedExecutions: 0, expectHold: true },
          { userId: sound, requestId: c, billedTokens: 4, failedExecutions: 0, expectHold: true },
        ]);

        expect(replies).toEqual(["settled", "broken", "settled"]);
        expect(await usedTokens(sound)).toEqual([8, 8]);
        expect(await subject().quota.read(broken)).toBeUndefined();
        const today = dayOf(Date.now());
        const days = [{ day: today, requests: 1, tokens: 4, failedExecutions: 0 }];
        const ticket = await beginLoad(broken);
        const truth = { limits: limitsOf(), days, holds: [] };
        expect(await subject().quota.load(broken, ticket, truth)).toBe("loaded");
        expect(await usedTokens(broken)).toEqual([4, 4]);
      },
    );
  });
}

function describeOutage(name: string, acts: QuotaActs): void {
  const { subject, loadFresh, admit, usedTokens } = acts;

  test(`while the server is away everything is refused, and nothing was done: ${name}`, async () => {
    const userId = await loadFresh(limitsOf());
    const requestId = await admit(userId, 10);
    const settlement = {
      userId,
      requestId,
      billedTokens: 4,
      failedExecutions: 0,
      expectHold: true,
    };
    await subject().setAway(true);

    const refused = await Promise.allSettled([
      subject().quota.admit({ userId, requestId: newId(), tokens: 1 }),
      subject().quota.settle([settlement]),
      subject().quota.read(userId),
      subject().quota.beginLoad(userId),
      subject().holds.readBooks([userId]),
      subject().holds.holdFates([{ userId, requestId }]),
      subject().holds.scanHolds().next(),
    ]);
    await subject().setAway(false);

    for (const outcome of refused)
      expect(outcome).toMatchObject({ reason: { code: "QUOTA_UNAVAILABLE" } });
    expect(await usedTokens(userId)).toEqual([10, 10]);
  });
}
