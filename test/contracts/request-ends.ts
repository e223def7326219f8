import { describe, expect, test } from "bun:test";

import type { Finish } from "../../core/request/finish.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import { runBisected } from "../../runtime/bisect.ts";
import { completion, ending, inVain, newRequest, SEALED } from "../support/request-samples.ts";
import { idOf, type MakeRequestStore, useRequestStore } from "./request-store-subject.ts";

/** What ending requests and billing them promises. */
export function describeRequestEnds(name: string, makeSubject: MakeRequestStore): void {
  describe(`ending requests: ${name}`, () => {
    const subject = useRequestStore(makeSubject);
    const finish = (...finishes: Finish[]) => subject().store.finishRequests(finishes);

    async function storeThree(): Promise<{ rows: NewRequest[]; ids: [string, string, string] }> {
      const rows = [newRequest(), newRequest(), newRequest()];
      await subject().store.insertRequests(rows);
      const [a = "", b = "", c = ""] = rows.map(idOf);
      return { rows, ids: [a, b, c] };
    }

    test("a completed request has its result, its times and one bill on the day of its hold", async () => {
      const { store } = subject();
      const row = newRequest({ windowDay: "2026-10-31" });
      await store.insertRequests([row]);
      const { requestId, userId } = row.head;

      const replies = await finish(completion(requestId));

      expect(replies).toEqual([
        {
          requestId,
          moved: true,
          state: "completed",
          userId,
          windowDay: "2026-10-31",
          estimatedTokens: 100,
          billedTokens: 30,
          failedExecutions: 0,
        },
      ]);
      const [found] = await store.findRequests([row.head]);
      expect(found).toMatchObject({
        state: "completed",
        attempts: 1,
        startedAtMs: 1_795_000_000_000,
        completedAtMs: 1_795_000_001_234,
        promptTokens: 10,
        completionTokens: 20,
        totalTokens: 30,
        errorCode: null,
        result: SEALED,
      });
    });

    test("what was not executed is not billed, and its error is kept word for word", async () => {
      const { rows, ids } = await storeThree();
      const [a, b, c] = ids;

      const replies = await finish(
        ending(a, "cancelled"),
        ending(b, "expired"),
        ending(c, "failed"),
      );

      expect(replies).toMatchObject([
        { moved: true, state: "cancelled", billedTokens: null },
        { moved: true, state: "expired", billedTokens: null },
        { moved: true, state: "failed", billedTokens: null },
      ]);
      const [found] = await subject().store.findRequests(rows.map(({ head }) => head));
      expect(found).toMatchObject({
        errorCode: "CANCELLED",
        errorMessage: ending(a, "cancelled").error?.message ?? "",
        totalTokens: null,
      });
    });

    test("what the ML service said of a failure is kept sealed, with that request alone", async () => {
      const { rows, ids } = await storeThree();
      const [a, b] = ids;

      await finish({ ...inVain(a, 1), errorDetail: SEALED }, inVain(b, 1));

      const found = await subject().store.findRequests(rows.map(({ head }) => head));
      expect(found.map((row) => row?.errorDetail)).toEqual([SEALED, null, null]);
    });

    test("what was executed and failed is in the ledger without tokens, however it ended", async () => {
      const { rows, ids } = await storeThree();
      const [a, b, c] = ids;

      const replies = await finish(
        inVain(a, 5),
        { ...ending(b, "cancelled"), attempts: 2 },
        completion(c, { attempts: 3 }),
      );
      const again = await finish(inVain(a, 1), completion(b), ending(c, "failed"));

      const bills = [
        { billedTokens: 0, failedExecutions: 5 },
        { billedTokens: 0, failedExecutions: 2 },
        { billedTokens: 30, failedExecutions: 2 },
      ];
      expect(replies).toMatchObject(bills.map((bill) => ({ ...bill, moved: true })));
      expect(again).toMatchObject(bills.map((bill) => ({ ...bill, moved: false })));
      expect(await subject().store.standings(ids)).toMatchObject(bills);
      const found = await subject().store.findRequests(rows.map(({ head }) => head));
      expect(found.map((row) => [row?.attempts, row?.totalTokens])).toEqual([
        [5, null],
        [2, null],
        [3, 30],
      ]);
    });

    test("a second finish changes nothing and learns what the first one did", async () => {
      const [a, b] = (await storeThree()).ids;
      await finish(completion(a), ending(b, "cancelled"));

      const replies = await finish(ending(a, "failed"), completion(b));

      expect(replies).toMatchObject([
        { moved: false, state: "completed", billedTokens: 30 },
        { moved: false, state: "cancelled", billedTokens: null },
      ]);
      expect(await subject().store.standings([a, b])).toEqual([
        { state: "completed", billedTokens: 30, failedExecutions: 0 },
        { state: "cancelled", billedTokens: null, failedExecutions: 0 },
      ]);
    });

    test("a second finish in the same batch loses to the first", async () => {
      const [a] = (await storeThree()).ids;

      const replies = await finish(ending(a, "failed"), completion(a));

      expect(replies).toMatchObject([
        { moved: true, state: "failed", billedTokens: null },
        { moved: false, state: "failed", billedTokens: null },
      ]);
    });

    test("an id that is not stored is unknown and bills nobody", async () => {
      const { requestId } = newRequest().head;

      expect(await finish(completion(requestId))).toEqual(["unknown"]);
      expect(await subject().store.standings([requestId])).toEqual([undefined]);
    });

    test("a finish that cannot be stored fails alone and leaves its request open", async () => {
      const { store } = subject();
      const [a, b, c] = (await storeThree()).ids;
      const finishes = [completion(a), completion(b, { result: null }), completion(c)];

      const failure = await store.finishRequests(finishes).catch((error: unknown) => error);
      const outcomes = await runBisected(finishes, store.finishRequests, store.isDataFault);

      expect(store.isDataFault(failure)).toBe(true);
      expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true]);
      expect(await store.standings([b])).toEqual([
        { state: "queued", billedTokens: null, failedExecutions: 0 },
      ]);
    });

    test("usage is summed by day and by model, from the first to the last day asked for", async () => {
      const { store } = subject();
      const userId = crypto.randomUUID();
      const rows = [
        newRequest({ userId, windowDay: "2025-12-31", model: "slow" }),
        newRequest({ userId, windowDay: "2026-11-01" }),
        newRequest({ userId, windowDay: "2026-11-01" }),
        newRequest({ userId, windowDay: "2026-11-02" }),
        newRequest({ userId, windowDay: "2026-11-01" }),
      ];
      await store.insertRequests([...rows, newRequest({ userId, windowDay: "2026-11-01" })]);
      await finish(...rows.slice(0, 3).map((row) => completion(idOf(row))));
      await finish(ending(idOf(rows[3] ?? newRequest()), "cancelled"));
      await finish(inVain(idOf(rows[4] ?? newRequest()), 3));

      const from = "2025-12-31";
      const byDay = await store.readUsage({ userId, from, to: "2026-11-01", by: "day" });
      const byModel = await store.readUsage({
        userId,
        from: "2026-01-01",
        to: "2026-12-31",
        by: "model",
      });

      const bill = {
        requests: 1,
        failedRequests: 0,
        promptTokens: 10,
        completionTokens: 20,
        totalTokens: 30,
        cachedTokens: 4,
        reasoningTokens: 6,
      };
      const twice = {
        requests: 2,
        failedRequests: 1,
        promptTokens: 20,
        completionTokens: 40,
        totalTokens: 60,
        cachedTokens: 8,
        reasoningTokens: 12,
      };
      expect(byDay).toEqual([
        { key: from, ...bill },
        { key: "2026-11-01", ...twice },
      ]);
      expect(byModel).toEqual([{ key: "sim-chat", ...twice }]);
    });

    test("while the server is away nothing ends, and that is no fault of a finish", async () => {
      const { store, setAway } = subject();
      const [a] = (await storeThree()).ids;
      await setAway(true);

      const failure = await finish(completion(a)).catch((error: unknown) => error);
      await setAway(false);

      expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
      expect(store.isDataFault(failure)).toBe(false);
      expect(await store.standings([a])).toEqual([
        { state: "queued", billedTokens: null, failedExecutions: 0 },
      ]);
    });
  });
}
