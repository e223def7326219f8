import { describe, expect, test } from "bun:test";

import { dayOf } from "../../core/quota/windows.ts";
import { freshTruth, limitsOf, newId } from "../support/quota-samples.ts";
import type { QuotaActs } from "./quota-subject.ts";

/** What loading a user from PostgreSQL promises. */
export function describeLoads(name: string, damages: readonly string[], acts: QuotaActs): void {
  const { subject, loadUser, loadFresh, beginLoad, admit, usedTokens } = acts;

  describe(`a load: ${name}`, () => {
    test("counts the ledger and the open requests, and no window that is over", async () => {
      const nowMs = Date.UTC(2027, 4, 10, 12);
      subject().setClock(nowMs);
      const holds = [{ userId: "u", requestId: newId(), day: "2027-05-09", tokens: 7 }];
      const days = [
        { day: "2027-05-10", requests: 1, tokens: 10, failedExecutions: 1 },
        { day: "2027-05-02", requests: 2, tokens: 20, failedExecutions: 5 },
        { day: "2027-04-30", requests: 4, tokens: 40, failedExecutions: 9 },
      ];

      const userId = await loadUser({ limits: limitsOf(), days, holds });

      expect(await subject().quota.read(userId)).toMatchObject({
        openRequests: 1,
        windows: {
          daily: { used: { requests: 1, tokens: 10 }, held: { requests: 0, tokens: 0 } },
          monthly: { used: { requests: 4, tokens: 37 }, held: { requests: 1, tokens: 7 } },
        },
        failedExecutions: { daily: { used: 1 }, monthly: { used: 6 } },
      });
    });

    test("is shared by all that begin it, and the first to arrive does it", async () => {
      const userId = newId();
      const [first, second] = [await beginLoad(userId), await subject().other.beginLoad(userId)];
      if (second === undefined) throw new Error("the load was not begun");
      const truth = freshTruth(limitsOf());

      const replies = [
        await subject().quota.load(userId, first, truth),
        await subject().other.load(userId, second, truth),
      ];

      expect(second.nonce).toBe(first.nonce);
      expect(replies).toEqual(["loaded", "already"]);
      expect(await subject().quota.beginLoad(userId)).toBeUndefined();
    });

    test("does not bring back what was settled while PostgreSQL was read", async () => {
      const userId = await loadFresh(limitsOf());
      const requestId = await admit(userId, 10);
      const day = dayOf(Date.now());
      await subject().quota.forget(userId);
      const ticket = await beginLoad(userId);

      await subject().quota.settle([
        { userId, requestId, billedTokens: 4, failedExecutions: 0, expectHold: true },
      ]);
      const holds = [{ userId, requestId, day, tokens: 10 }];
      await subject().quota.load(userId, ticket, { limits: limitsOf(), days: [], holds });

      expect(await usedTokens(userId)).toEqual([4, 4]);
      expect((await subject().quota.read(userId))?.openRequests).toBe(0);
    });

    test("keeps the hold of a request that is not stored yet, and drops what nobody knows", async () => {
      const userId = await loadFresh(limitsOf());
      const [underWay, lost] = [await admit(userId, 10), await admit(userId, 3)];
      await subject().quota.forget(userId);
      const ticket = await beginLoad(userId);

      const truth = { ...freshTruth(limitsOf()), unstored: [underWay] };
      await subject().quota.load(userId, ticket, truth);

      expect(new Set(ticket.recentRequestIds)).toEqual(new Set([underWay, lost]));
      expect(await usedTokens(userId)).toEqual([10, 10]);
    });

    test("is called off by new limits, which count from the next admission", async () => {
      const userId = await loadFresh(limitsOf({ dailyTokens: 10 }));
      await subject().quota.setLimits(userId, limitsOf({ dailyTokens: 1_000 }));
      await admit(userId, 500);

      await subject().quota.forget(userId);
      const ticket = await beginLoad(userId);
      await subject().quota.setLimits(userId, limitsOf({ dailyTokens: 5 }));

      const reply = await subject().quota.load(userId, ticket, freshTruth(limitsOf()));
      expect(reply).toBe("superseded");
    });

    test("comes before every admission after the server started again", async () => {
      const limits = limitsOf({ dailyTokens: 50 });
      const userId = await loadFresh(limits);
      const admission = { userId, requestId: newId(), tokens: 5 };
      subject().restart();

      const before = await subject().quota.admit(admission);
      const days = [{ day: dayOf(Date.now()), requests: 1, tokens: 48, failedExecutions: 0 }];
      await subject().quota.load(userId, await beginLoad(userId), { limits, days, holds: [] });
      const after = await subject().quota.admit(admission);

      expect([before.kind, after.kind]).toEqual(["unknown", "refused"]);
    });

    test("with a ticket from before the server started again does nothing", async () => {
      const userId = newId();
      const ticket = await beginLoad(userId);
      subject().restart();

      const reply = await subject().quota.load(userId, ticket, freshTruth(limitsOf()));

      expect(reply).toBe("superseded");
    });

    test.each(damages)("mends a user with %s who was forgotten", async (kind) => {
      const userId = await loadFresh(limitsOf());
      await subject().damage(kind, userId, await admit(userId, 10));

      await subject().quota.forget(userId);
      const ticket = await beginLoad(userId);
      const { recentRequestIds: unstored } = ticket;
      await subject().quota.load(userId, ticket, { ...freshTruth(limitsOf()), unstored });

      expect((await subject().quota.read(userId))?.windows.daily.used.tokens).toBeWithin(0, 11);
      await admit(userId, 1);
    });
  });
}
