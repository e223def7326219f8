import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { RequestHints } from "../../adapters/redis/request-hints.ts";
import { newId } from "../support/quota-samples.ts";

export interface HintsSubject {
  hints: RequestHints;
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

/** What the short-lived facts about requests promise: marks of attempts, delays and cancellations. */
export function describeHintsContract(
  name: string,
  makeSubject: () => Promise<HintsSubject>,
): void {
  const first = { attempt: 1, startedAtMs: 1_000, redelivered: false };
  const requestOf = () => ({ userId: newId(), requestId: newId() });
  const nothing = {
    started: undefined,
    lastStartedAtMs: 0,
    attemptsMade: 0,
    delayedUntilMs: 0,
    lastError: null,
  };

  describe(`hints about requests: ${name}`, () => {
    let subject: HintsSubject;
    let hints: RequestHints;
    beforeAll(async () => {
      subject = await makeSubject();
      ({ hints } = subject);
    });
    afterAll(() => subject.stop());

    test("a started attempt is shown until it is cleared", async () => {
      const [started, other] = [requestOf(), requestOf()];

      const start = await hints.markStarted({ ...started, ...first });
      const shown = await hints.readStarted([other, started]);
      await hints.clearStarted({
        ...started,
        startedAtMs: 1_000,
        attemptsMade: 0,
        lastError: null,
      });

      expect(start).toEqual({ cancelled: false, crashes: 0 });
      expect(shown).toEqual([undefined, { attempt: 1, startedAtMs: 1_000 }]);
      expect(await hints.readStarted([started])).toEqual([undefined]);
    });

    test("each redelivery of an attempt that never ended counts one crash", async () => {
      const request = requestOf();
      await hints.markStarted({ ...request, ...first });

      const second = await hints.markStarted({ ...request, ...first, redelivered: true });
      const third = await hints.markStarted({ ...request, ...first, redelivered: true });

      expect([second.crashes, third.crashes]).toEqual([1, 2]);
    });

    test("a neighbour that was only prefetched when its worker died is not suspected", async () => {
      const start = await hints.markStarted({ ...requestOf(), ...first, redelivered: true });

      expect(start.crashes).toBe(0);
    });

    test("an attempt that ended in its worker's hands is not suspected when it comes again", async () => {
      const request = requestOf();
      await hints.markStarted({ ...request, ...first });
      await hints.clearStarted({
        ...request,
        startedAtMs: 1_000,
        attemptsMade: 0,
        lastError: null,
      });

      const again = await hints.markStarted({ ...request, ...first, redelivered: true });

      expect(again.crashes).toBe(0);
    });

    test("whoever lost its delivery does not take away the mark of the worker that has it now", async () => {
      const request = requestOf();
      await hints.markStarted({ ...request, ...first });
      await hints.markStarted({ ...request, ...first, startedAtMs: 2_000, redelivered: true });

      await hints.clearStarted({
        ...request,
        startedAtMs: 1_000,
        attemptsMade: 1,
        lastError: null,
      });

      expect(await hints.readStarted([request])).toEqual([{ attempt: 1, startedAtMs: 2_000 }]);
      expect(await hints.readAttemptsMade([request])).toEqual([0]);
    });

    test("a second copy of a message is not a crash", async () => {
      const request = requestOf();
      await hints.markStarted({ ...request, ...first });

      const copy = await hints.markStarted({ ...request, ...first });

      expect(copy.crashes).toBe(0);
    });

    test("a worker learns at the start of a cancellation, and nothing is shown as started", async () => {
      const request = requestOf();
      await hints.markCancelled(request);

      const { cancelled } = await hints.markStarted({ ...request, ...first });

      expect(cancelled).toBe(true);
      expect(await hints.readStarted([request])).toEqual([undefined]);
    });

    test("between two attempts nothing is shown as started, but that there was one is known", async () => {
      const [retried, other] = [requestOf(), requestOf()];
      await hints.markStarted({ ...retried, ...first });

      await hints.clearStarted({
        ...retried,
        startedAtMs: 1_000,
        attemptsMade: 1,
        lastError: null,
      });
      const shown = await hints.readStarted([retried]);
      const made = await hints.readAttemptsMade([other, retried]);
      const next = { ...first, attempt: 2, redelivered: true };

      expect(shown).toEqual([undefined]);
      expect(made).toEqual([0, 1]);
      expect((await hints.markStarted({ ...retried, ...next })).crashes).toBe(0);
      expect(await hints.readAttemptsMade([retried])).toEqual([1]);
    });

    test("until when a request waits for its next attempt is known, beside how many it has had", async () => {
      const [delayed, other] = [requestOf(), requestOf()];
      const untilMs = Date.now() + 60_000;
      await hints.markStarted({ ...delayed, ...first });
      await hints.clearStarted({
        ...delayed,
        startedAtMs: 1_000,
        attemptsMade: 1,
        lastError: null,
      });

      await hints.noteDelayed({ ...delayed, untilMs });

      expect(await hints.readDelayedUntil([other, delayed])).toEqual([0, untilMs]);
      expect(await hints.readAttemptsMade([delayed])).toEqual([1]);
      expect(await hints.readStarted([delayed])).toEqual([undefined]);
    });

    test("all that is known of a request is read at once", async () => {
      const [retried, other] = [requestOf(), requestOf()];
      const lastError = { code: "UPSTREAM_FAILED", message: "status 500" } as const;
      const untilMs = Date.now() + 60_000;
      await hints.markStarted({ ...retried, ...first });
      await hints.clearStarted({ ...retried, startedAtMs: 1_000, attemptsMade: 1, lastError });
      await hints.noteDelayed({ ...retried, untilMs });
      await hints.markStarted({ ...retried, ...first, attempt: 2, startedAtMs: 2_000 });

      expect(await hints.read([other, retried])).toEqual([
        nothing,
        {
          started: { attempt: 2, startedAtMs: 2_000 },
          lastStartedAtMs: 1_000,
          attemptsMade: 1,
          delayedUntilMs: untilMs,
          lastError,
        },
      ]);
    });

    test("why a request was put off is known, whether or not an attempt had begun", async () => {
      const [tried, untried] = [requestOf(), requestOf()];
      const lastError = { code: "UPSTREAM_BUSY", message: "status 429" } as const;
      await hints.markStarted({ ...tried, ...first });

      await hints.clearStarted({ ...tried, startedAtMs: 1_000, attemptsMade: 0, lastError });
      await hints.clearStarted({ ...untried, startedAtMs: null, attemptsMade: 0, lastError });

      const putOff = { ...nothing, lastError };
      expect(await hints.read([tried, untried])).toEqual([putOff, putOff]);
    });

    test("when the last attempt had started is known after its end, also if the next waits", async () => {
      const request = requestOf();
      const failed = { ...request, attemptsMade: 1, lastError: null };
      await hints.markStarted({ ...request, ...first });

      await hints.clearStarted({ ...failed, startedAtMs: 1_000 });
      const [retried] = await hints.read([request]);
      await hints.clearStarted({ ...failed, startedAtMs: null });
      const [putOff] = await hints.read([request]);

      expect(retried).toMatchObject({ started: undefined, lastStartedAtMs: 1_000 });
      expect(putOff).toMatchObject({ attemptsMade: 1, lastStartedAtMs: 1_000 });
    });

    test("putting off without an attempt does not take away the mark of one", async () => {
      const request = requestOf();
      await hints.markStarted({ ...request, ...first });

      await hints.clearStarted({ ...request, startedAtMs: null, attemptsMade: 0, lastError: null });

      expect(await hints.readStarted([request])).toEqual([{ attempt: 1, startedAtMs: 1_000 }]);
    });

    test("an attempt that is put off again forgets until when it waited before", async () => {
      const delayed = requestOf();
      await hints.noteDelayed({ ...delayed, untilMs: Date.now() + 60_000 });

      await hints.markStarted({ ...delayed, ...first, attempt: 2 });
      await hints.clearStarted({
        ...delayed,
        startedAtMs: 1_000,
        attemptsMade: 2,
        lastError: null,
      });

      expect(await hints.readDelayedUntil([delayed])).toEqual([0]);
      expect(await hints.readAttemptsMade([delayed])).toEqual([2]);
    });

    test("while the server is away everything is refused, and nothing was noted", async () => {
      const request = requestOf();
      const { setAway } = subject;
      await setAway(true);

      const refused = await Promise.allSettled([
        hints.markStarted({ ...request, ...first }),
        hints.clearStarted({ ...request, startedAtMs: 1_000, attemptsMade: 1, lastError: null }),
        hints.read([request]),
        hints.readStarted([request]),
        hints.readAttemptsMade([request]),
        hints.noteDelayed({ ...request, untilMs: Date.now() + 60_000 }),
        hints.readDelayedUntil([request]),
        hints.markCancelled(request),
      ]);
      await setAway(false);

      for (const outcome of refused)
        expect(outcome).toMatchObject({ reason: { code: "QUOTA_UNAVAILABLE" } });
      expect(await hints.readStarted([request])).toEqual([undefined]);
    });
  });
}
