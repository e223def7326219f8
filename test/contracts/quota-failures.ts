import { describe, expect, test } from "bun:test";

import { dayOf } from "../../core/quota/windows.ts";
import { freshTruth, limitsOf, newId } from "../support/quota-samples.ts";
import type { QuotaActs } from "./quota-subject.ts";

/** What counting failed executions promises. */
export function describeFailures(name: string, acts: QuotaActs): void {
  const { subject, loadUser, loadFresh, beginLoad, admit } = acts;

  /** A request that is executed so often, each time in vain. */
  async function fail(userId: string, failedExecutions: number): Promise<string> {
    const requestId = await admit(userId, 10);
    const end = { billedTokens: 0, failedExecutions, expectHold: true };
    await subject().quota.settle([{ userId, requestId, ...end }]);
    return requestId;
  }

  async function admission(userId: string) {
    return subject().quota.admit({ userId, requestId: newId(), tokens: 10 });
  }

  async function failed(userId: string) {
    const { daily, monthly } = (await subject().quota.read(userId))?.failedExecutions ?? {};
    return [daily?.used, monthly?.used];
  }

  describe(`executions that fail: ${name}`, () => {
    test("leave their request counted and give back its tokens", async () => {
      const userId = await loadFresh(limitsOf());

      await fail(userId, 3);

      const { windows } = (await subject().quota.read(userId)) ?? {};
      const used = { requests: 1, tokens: 0 };
      const held = { requests: 0, tokens: 0 };
      expect(windows).toMatchObject({ daily: { used, held }, monthly: { used, held } });
      expect(await failed(userId)).toEqual([3, 3]);
    });

    test("count once however often they are settled", async () => {
      const userId = await loadFresh(limitsOf());
      const requestId = await fail(userId, 3);

      const again = { userId, requestId, billedTokens: 0, failedExecutions: 3, expectHold: false };
      await subject().quota.settle([again, again]);

      expect(await failed(userId)).toEqual([3, 3]);
    });

    test("count also of a request that completed in the end", async () => {
      const userId = await loadFresh(limitsOf());
      const requestId = await admit(userId, 10);

      await subject().quota.settle([
        { userId, requestId, billedTokens: 7, failedExecutions: 2, expectHold: true },
      ]);

      expect(await failed(userId)).toEqual([2, 2]);
      expect(await acts.usedTokens(userId)).toEqual([7, 7]);
    });

    test("refuse the user once they reach the limit of a window, and say which", async () => {
      const userId = await loadFresh(limitsOf({ dailyFailed: 5, monthlyFailed: 8 }));
      await fail(userId, 4);
      const before = await admission(userId);

      await fail(userId, 1);
      const refusedByDay = await admission(userId);
      const used = await subject().quota.read(userId);

      expect(before.kind).toBe("admitted");
      expect(refusedByDay).toMatchObject({
        kind: "refused",
        snapshot: { failedExecutions: { daily: { limit: 5, used: 5 } } },
      });
      expect(used?.windows.daily.used.requests).toBe(3);
    });

    test("of a request that was admitted before the limit was reached count on", async () => {
      const userId = await loadFresh(limitsOf({ dailyFailed: 2, monthlyFailed: 6 }));
      const [a, b] = [await admit(userId, 10), await admit(userId, 10)];
      const settle = (requestId: string, failedExecutions: number) =>
        subject().quota.settle([
          { userId, requestId, billedTokens: 0, failedExecutions, expectHold: true },
        ]);

      await settle(a, 2);
      const repeated = await subject().quota.admit({ userId, requestId: b, tokens: 10 });
      await settle(b, 5);

      expect(repeated.kind).toBe("admitted");
      expect(await failed(userId)).toEqual([7, 7]);
      expect(await admission(userId)).toMatchObject({
        kind: "refused",
        snapshot: { failedExecutions: { monthly: { limit: 6, used: 7 } } },
      });
    });

    test.each([
      ["day", limitsOf({ dailyFailed: 3 }), Date.UTC(2027, 4, 10), "admitted"],
      [
        "day before the month does",
        limitsOf({ monthlyFailed: 3 }),
        Date.UTC(2027, 4, 10),
        "refused",
      ],
      ["month", limitsOf({ dailyFailed: 3, monthlyFailed: 3 }), Date.UTC(2028, 2, 1), "admitted"],
    ] as const)(
      "refuse until their window ends: when the %s ends",
      async (_, limits, endMs, then) => {
        subject().setClock(endMs - 100);
        const userId = await loadFresh(limits);
        await fail(userId, 3);
        const before = await admission(userId);

        subject().setClock(endMs + 100);
        const after = await admission(userId);

        expect([before.kind, after.kind]).toEqual(["refused", then]);
      },
    );

    test("of yesterday's request count yesterday, and do not lift what refuses today", async () => {
      const todayMs = Date.UTC(2027, 4, 10, 12);
      const yesterday = "2027-05-09";
      subject().setClock(todayMs);
      const requestId = newId();
      const holds = [{ userId: "u", requestId, day: yesterday, tokens: 7 }];
      const limits = limitsOf({ dailyFailed: 3 });
      const userId = await loadUser({ limits, days: [], holds });
      await fail(userId, 3);

      await subject().quota.settle([
        { userId, requestId, billedTokens: 0, failedExecutions: 2, expectHold: true },
      ]);

      expect(await failed(userId)).toEqual([3, 5]);
      expect((await admission(userId)).kind).toBe("refused");
    });

    test("are known again after a load, and refuse again", async () => {
      const day = dayOf(Date.now());
      const limits = limitsOf({ dailyFailed: 4 });
      const days = [{ day, requests: 2, tokens: 0, failedExecutions: 4 }];

      const userId = await loadUser({ limits, days, holds: [] });
      const refused = await admission(userId);
      await subject().quota.forget(userId);
      await subject().quota.load(userId, await beginLoad(userId), freshTruth(limits));
      const admitted = await admission(userId);

      expect([refused.kind, admitted.kind]).toEqual(["refused", "admitted"]);
      expect(await failed(userId)).toEqual([0, 0]);
    });

    test("that are settled while PostgreSQL is read are not forgotten by the load", async () => {
      const limits = limitsOf({ dailyFailed: 2 });
      const userId = await loadFresh(limits);
      const requestId = await admit(userId, 10);
      await subject().quota.forget(userId);
      const ticket = await beginLoad(userId);

      const end = { billedTokens: 0, failedExecutions: 2, expectHold: true };
      await subject().quota.settle([{ userId, requestId, ...end }]);
      const holds = [{ userId, requestId, day: dayOf(Date.now()), tokens: 10 }];
      await subject().quota.load(userId, ticket, { limits, days: [], holds });

      expect(await failed(userId)).toEqual([2, 2]);
      expect((await admission(userId)).kind).toBe("refused");
    });

    test("are judged by new limits at once, in both directions", async () => {
      const userId = await loadFresh(limitsOf({ dailyFailed: 2 }));
      await fail(userId, 2);
      const kinds = [(await admission(userId)).kind];

      for (const dailyFailed of [3, 1]) {
        await subject().quota.setLimits(userId, limitsOf({ dailyFailed }));
        kinds.push((await admission(userId)).kind);
      }
      await subject().quota.setLimits(userId, limitsOf());
      kinds.push((await admission(userId)).kind);

      expect(kinds).toEqual(["refused", "admitted", "refused", "admitted"]);
    });

    test("are in the books of the audit", async () => {
      const userId = await loadFresh(limitsOf());
      await fail(userId, 3);

      const [books] = await subject().holds.readBooks([userId]);

      expect(books).toMatchObject({ failedExecutions: { daily: 3, monthly: 3 } });
    });
  });
}
