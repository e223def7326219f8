import { Value } from "@sinclair/typebox/value";
import { expect, test } from "bun:test";

import { encodeDeadRequest, encodeResult } from "../../adapters/amqp/messages.ts";
import type { RequestHead } from "../../core/request/request.ts";
import { type DeadLetter, planRetry, readLetter } from "./dead-letters.ts";
import { formatLetter } from "./dead-text.ts";
import { JsonText } from "../../core/json/json-text.ts";
import { payloadOf } from "../../test/support/payloads.ts";
import { bodyOf } from "./resubmit.ts";
import { GenerateBody } from "../../core/request/generate-body.ts";
import type { RequestStanding } from "../../core/request/stored-request.ts";

const HEAD: RequestHead = {
  requestId: "01980f6e-8a3e-7000-8000-3f1d5b0c9a11",
  userId: "01980f6e-8a3e-7000-8000-000000000001",
  model: "sim-chat",
  windowDay: "2026-11-21",
  estimatedTokens: 260,
  createdAtMs: Date.UTC(2026, 10, 21),
  expiresAtMs: Date.UTC(2026, 10, 22),
};
/** Whether a message is signed has its tests elsewhere. */
const BOX = { signatures: { refusalOf: () => undefined } };
const PAYLOAD = new Uint8Array([1, 2, 3]);
const OPEN: RequestStanding = { state: "queued", billedTokens: null, failedExecutions: 0 };
const FAILED: RequestStanding = { state: "failed", billedTokens: 0, failedExecutions: 5 };

const requestLetter = (): DeadLetter =>
  readLetter(
    BOX,
    "requests",
    encodeDeadRequest(
      { head: HEAD, attempt: 4, payload: PAYLOAD },
      { code: "UPSTREAM_TIMEOUT", message: "no answer within 60000 ms" },
    ),
  );
const resultLetter = (): DeadLetter =>
  readLetter(
    BOX,
    "results",
    encodeResult({
      head: HEAD,
      state: "completed",
      attempts: 1,
      startedAtMs: null,
      completedAtMs: HEAD.createdAtMs,
      usage: null,
      error: null,
      result: PAYLOAD,
    }),
  );
const foreignLetter = (): DeadLetter =>
  readLetter(BOX, "results", { body: PAYLOAD, messageId: undefined, type: "x", headers: {} });

test("a letter tells what it is of and why it is there", () => {
  expect(requestLetter()).toMatchObject({
    id: HEAD.requestId,
    content: { kind: "request", attempts: 4, head: HEAD },
    error: { code: "UPSTREAM_TIMEOUT", message: "no answer within 60000 ms" },
  });
  expect(foreignLetter()).toMatchObject({ id: null, content: { kind: "unreadable" }, error: null });
  expect(formatLetter(requestLetter(), FAILED)).toContain(
    "failed, not billed, 5 executions failed",
  );
});

test("the content of a request that has ended is only ever sent as a new request", () => {
  for (const state of ["completed", "failed", "cancelled", "expired"] as const)
    expect(planRetry(requestLetter(), { ...FAILED, state }).kind).toBe("send-anew");
  // Past its retention.
  expect(planRetry(requestLetter(), undefined).kind).toBe("send-anew");
});

test("a request that is still open gets its message back, with all its attempts", () => {
  expect(planRetry(requestLetter(), OPEN)).toMatchObject({
    kind: "give-back",
    to: "requests",
    request: { head: HEAD, attempt: 1 },
  });
});

test("a result is given back only while its request is open", () => {
  expect(planRetry(resultLetter(), OPEN)).toMatchObject({ kind: "give-back", to: "results" });
  expect(planRetry(resultLetter(), FAILED)).toMatchObject({
    kind: "impossible",
    reason: expect.stringContaining("ended as failed"),
  });
  expect(planRetry(resultLetter(), undefined).kind).toBe("impossible");
});

test("what cannot be read cannot be retried", () => {
  expect(planRetry(foreignLetter(), OPEN).kind).toBe("impossible");
});

test.each([
  [{ input: { input: ["a", "b"] } }],
  [{ input: { prompt: [[1, 2], [3]] } }],
  [{ input: { prompt: "one" } }],
])("a new request may be posted whatever door the old one came by: %p", (asked) => {
  const payload = payloadOf({ ...asked, maxTokens: 1, n: 1, parameters: {} });

  const body = bodyOf(HEAD, payload, null).parse();

  expect([...Value.Errors(GenerateBody, body)]).toEqual([]);
});

test("a new request asks for what the old one asked for", () => {
  const payload = payloadOf({
    input: { messages: [{ role: "user", content: "hello" }] },
    maxTokens: 40,
    n: 2,
    parameters: { temperature: 0 },
  });

  expect(bodyOf(HEAD, payload, JsonText.of({ case: 7 })).parse()).toEqual({
    messages: [{ role: "user", content: "hello" }],
    model: "sim-chat",
    max_tokens: 40,
    n: 2,
    parameters: { temperature: 0 },
    metadata: { case: 7 },
    queue_ttl: 86_400,
  });
});
