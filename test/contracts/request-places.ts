import { describe, expect, test } from "bun:test";

import type { Priority } from "../../core/queue/fair-order.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import { HOUR_MS, newRequest } from "../support/request-samples.ts";
import { idOf, type MakeRequestStore, useRequestStore } from "./request-store-subject.ts";

/** What is promised of the places of parked requests among those of their users. */
export function describeRequestPlaces(name: string, makeSubject: MakeRequestStore): void {
  describe(`places of parked requests: ${name}`, () => {
    const subject = useRequestStore(makeSubject);
    const nowMs = Date.now();

    const parkedOf =
      (userId: string, model = "fast") =>
      (minutes: number, priority: Priority = "normal"): NewRequest => {
        const expiresAtMs = nowMs + minutes * 60_000;
        return newRequest({ userId, model, expiresAtMs, isParked: true, priority });
      };

    async function aheadOf(...rows: NewRequest[]): Promise<(number | undefined)[]> {
      const places = await subject().store.parkedPlaces(rows.map(idOf));
      return places.map((place) => place?.ownAhead);
    }

    test("a place counts what is more urgent or due earlier of the same user at the same model", async () => {
      const userId = crypto.randomUUID();
      const [own, others, elsewhere] = [
        parkedOf(userId),
        parkedOf(crypto.randomUUID()),
        parkedOf(userId, "slow"),
      ];
      const rows = [own(50, "high"), own(10), own(30), own(1, "low")];
      const rest = [others(5, "high"), elsewhere(5, "high")];
      await subject().store.insertRequests([...rows.toReversed(), ...rest]);

      expect(await aheadOf(...rows, ...rest)).toEqual([0, 1, 2, 3, 0, 0]);
    });

    test("of those due at the same time the older one goes first", async () => {
      const expiresAtMs = nowMs + HOUR_MS;
      const userId = crypto.randomUUID();
      const [older, newer] = [nowMs - 2_000, nowMs - 1_000].map((createdAtMs) =>
        newRequest({ userId, createdAtMs, expiresAtMs, isParked: true, priority: "normal" }),
      ) as [NewRequest, NewRequest];
      await subject().store.insertRequests([newer, older]);

      expect(await aheadOf(newer, older)).toEqual([1, 0]);
    });

    test("what is not parked has no place, nor has what was taken out", async () => {
      const { store } = subject();
      const parked = parkedOf(crypto.randomUUID());
      const [direct, gone, kept] = [newRequest(), parked(1), parked(2)];
      await store.insertRequests([direct, gone, kept]);

      await store.deleteParked([idOf(gone)]);

      expect(await aheadOf(direct, gone, kept)).toEqual([undefined, undefined, 0]);
      expect(await store.parkedPlaces([])).toEqual([]);
    });

    test("a place behind more than a thousand is said to be behind a thousand", async () => {
      const parked = parkedOf(crypto.randomUUID());
      const rows = Array.from({ length: 1_100 }, (_, index) => parked(100 + index));
      await subject().store.insertRequests(rows);

      const asked = [0, 999, 1_000, 1_099].flatMap((index) => rows[index] ?? []);

      expect(await aheadOf(...asked)).toEqual([0, 999, 1_000, 1_000]);
    });

    test("what users have parked is summed for each of them and each model", async () => {
      const { store } = subject();
      const [one, two] = [crypto.randomUUID(), crypto.randomUUID()];
      const rows = [parkedOf(one)(1), parkedOf(one)(2, "low"), parkedOf(two)(1)];
      await store.insertRequests([...rows, newRequest({ userId: one, model: "fast" })]);

      const lines = [
        { model: "fast", userId: one },
        { model: "slow", userId: one },
        { model: "fast", userId: two },
      ];

      expect(await store.parkedWork(lines)).toEqual([
        { requests: 2, tokens: 200 },
        { requests: 0, tokens: 0 },
        { requests: 1, tokens: 100 },
      ]);
      expect(await store.parkedWork([])).toEqual([]);
    });

    test("while the server is away nothing of this is done", async () => {
      const { store, setAway } = subject();
      await setAway(true);

      const refused = await Promise.allSettled([
        store.parkedPlaces([crypto.randomUUID()]),
        store.parkedWork([{ model: "fast", userId: crypto.randomUUID() }]),
        store.deleteParked([crypto.randomUUID()]),
      ]);
      await setAway(false);

      for (const outcome of refused)
        expect(outcome).toMatchObject({ reason: { code: "STORE_UNAVAILABLE" } });
    });
  });
}
