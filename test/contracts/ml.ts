import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { ReportedUsage } from "../../core/attempt/outcome.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import type { InferencePayload } from "../../core/request/payload.ts";
import type { WorkerPorts } from "../../workers/ports.ts";

export interface MlSubject {
  infer: WorkerPorts["infer"];
  config: ModelConfig;
  payload: InferencePayload;
  /** Resolves when the next call has reached the ML service. */
  nextCall: () => Promise<MlCall>;
  callsSoFar: () => number;
  /** Lets so much time pass. */
  pass: (ms: number) => Promise<void>;
  stop: () => Promise<void>;
}

/** One call as the ML service sees it. */
export interface MlCall {
  reply: (texts: string[], usage: ReportedUsage | null) => void;
  /** Asks to come back after so long, whole seconds. */
  refuseAsBusy: (retryAfterMs: number) => void;
  /** Resolves when the caller does not wait any more. */
  isGone: Promise<void>;
}

/** What one call of an ML service promises to a worker. */
export function describeMlContract(name: string, makeSubject: () => Promise<MlSubject>): void {
  describe(`a call of the ML service: ${name}`, () => {
    let subject: MlSubject;
    beforeAll(async () => {
      subject = await makeSubject();
    });
    afterAll(() => subject.stop());

    const never = (): AbortSignal => new AbortController().signal;

    async function call(n = 1, signal = never()) {
      const { infer, config, payload, nextCall } = subject;
      const reached = nextCall();
      const outcome = infer("small", config, { ...payload, n }, signal);
      // A test that expects a rejection looks at it later.
      outcome.catch(() => {});
      return { outcome, call: await reached };
    }

    test("ends with the choices and the usage of the reply", async () => {
      const usage = { promptTokens: 3, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0 };
      const { outcome, call: made } = await call(2);

      made.reply(["Because.", "So."], usage);

      expect(await outcome).toEqual({
        ok: true,
        choices: [
          { index: 0, text: "Because.", finish_reason: "stop" },
          { index: 1, text: "So.", finish_reason: "stop" },
        ],
        usage,
      });
    });

    test("takes no more choices than were paid for", async () => {
      const { outcome, call: made } = await call(1);

      made.reply(["one", "two", "three"], null);

      const choices = [{ index: 0, text: "one", finish_reason: "stop" }];
      expect(await outcome).toEqual({ ok: true, choices, usage: null });
    });

    test.each([
      ["negative", { promptTokens: -3, completionTokens: 2 }],
      ["fractional", { promptTokens: 1.5, completionTokens: 2 }],
      ["more than the prompt has bytes", { promptTokens: 1_000_000, completionTokens: 2 }],
      ["more than was allowed and written", { promptTokens: 3, completionTokens: 100 }],
    ])("does not believe a usage that is %s", async (_, usage) => {
      const { outcome, call: made } = await call();

      made.reply(["Because."], { ...usage, cachedTokens: 0, reasoningTokens: 0 });

      expect(await outcome).toMatchObject({ ok: true, usage: null });
    });

    test("resolves when the service is busy, and says when to come back", async () => {
      const { outcome, call: made } = await call();

      made.refuseAsBusy(7_000);

      expect(await outcome).toMatchObject({
        ok: false,
        code: "UPSTREAM_BUSY",
        retryAfterMs: 7_000,
      });
    });

    test("resolves as timed out when its time is over, and the service sees it go", async () => {
      const { outcome, call: made } = await call();

      await subject.pass(subject.config.timeout_ms);

      expect(await outcome).toEqual({
        ok: false,
        code: "UPSTREAM_TIMEOUT",
        message: `no complete reply within ${subject.config.timeout_ms} ms`,
        retryAfterMs: null,
      });
      made.reply(["too late"], null);
    });

    test("rejects when its signal aborts, and the service sees it go", async () => {
      const abort = new AbortController();
      const { outcome, call: made } = await call(1, abort.signal);

      abort.abort();

      expect(await outcome.catch((error: unknown) => error)).toBe(abort.signal.reason);
      await made.isGone;
      made.reply(["too late"], null);
    });

    test("is not made when its signal has aborted before", async () => {
      const { infer, config, payload, callsSoFar } = subject;
      const before = callsSoFar();

      const outcome = infer("small", config, payload, AbortSignal.abort());

      expect(await outcome.catch((error: unknown) => error)).toBeInstanceOf(Error);
      expect(callsSoFar()).toBe(before);
    });
  });
}
