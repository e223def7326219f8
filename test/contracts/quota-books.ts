import { describe, expect, test } from "bun:test";

import { dayOf } from "../../core/quota/windows.ts";
import { limitsOf, newId } from "../support/quota-samples.ts";
import type { QuotaActs } from "./quota-subject.ts";

/** What the books of all users, read by the keeper and the audit, promise. */
export function describeBooks(name: string, damages: readonly string[], acts: QuotaActs): void {
  const { subject, loadFresh, admit } = acts;

  describe(`the books of all users: ${name}`, () => {
    test("show every open hold with its age, in pages", async () => {
      const users = [await loadFresh(limitsOf()), await loadFresh(limitsOf())];
      const ids = await Promise.all(
        Array.from({ length: 30 }, (_, i) => admit(users[i % 2] ?? "", 7)),
      );

      const found = new Map();
      for await (const page of subject().holds.scanHolds())
        for (const hold of page) found.set(hold.requestId, hold);

      expect(ids.filter((id) => !found.has(id))).toEqual([]);
      const { heldForMs, ...hold } = found.get(ids[0]);
      const day = dayOf(Date.now());
      expect(hold).toEqual({ userId: users[0], requestId: ids[0], tokens: 7, day });
      expect(heldForMs).toBeWithin(0, 60_000);
    });

    test("are read in order, those of users who are not loaded as unknown", async () => {
      const userId = await loadFresh(limitsOf());
      const requestId = await admit(userId, 7);
      const amount = { requests: 1, tokens: 7 };

      const [known, unknown] = await subject().holds.readBooks([userId, newId()]);

      const day = dayOf(Date.now());
      const window = { used: amount, held: amount };
      expect(known).toEqual({
        day,
        windows: { daily: window, monthly: window },
        failedExecutions: { daily: 0, monthly: 0 },
        holds: [{ userId, requestId, tokens: 7, day, takenAtMs: expect.any(Number) }],
      } as never);
      expect(unknown).toBeUndefined();
    });

    test("call a hold gone only when the user was loaded well before the request was made", async () => {
      const userId = await loadFresh(limitsOf());
      const [held, missing] = [await admit(userId, 7), newId()];
      const refs = [held, missing].map((requestId) => ({ userId, requestId }));
      const fates = () => subject().holds.holdFates(refs);

      const young = await fates();
      await subject().ageLoad(userId, 120_000);
      const old = await fates();
      subject().restart();
      const restarted = await fates();

      expect([young, old, restarted]).toEqual([
        ["held", "unknown"],
        ["held", "gone"],
        ["unknown", "unknown"],
      ]);
    });

    test("of a user with something that is not ours hide no other user", async () => {
      const broken = await Promise.all(damages.map(() => loadFresh(limitsOf())));
      for (const [i, kind] of damages.entries()) {
        const userId = broken[i] ?? "";
        await subject().damage(kind, userId, await admit(userId, 7));
      }
      const sound = await loadFresh(limitsOf());
      const requestId = await admit(sound, 7);

      const read = await subject().holds.readBooks([...broken, sound]);
      const fates = await subject().holds.holdFates([
        { userId: broken[0] ?? "", requestId: newId() },
        { userId: sound, requestId },
      ]);
      const found = new Set<string>();
      for await (const page of subject().holds.scanHolds())
        for (const hold of page) found.add(hold.requestId);

      expect(read.slice(0, -1)).toEqual(damages.map(() => "broken"));
      expect(read.at(-1)).toMatchObject({ holds: [{ requestId }] });
      expect(fates).toEqual(["unknown", "held"]);
      expect(found.has(requestId)).toBe(true);
      await subject().quota.settle(
        broken.map((userId) => ({
          userId,
          requestId: "x",
          billedTokens: null,
          failedExecutions: 0,
          expectHold: false,
        })),
      );
    });
  });
}
