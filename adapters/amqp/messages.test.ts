import { expect, test } from "bun:test";
import { randomUUIDv7 } from "bun";
import {
  MESSAGE_VERSION,
  type QueuedRequest,
  type QueuedResult,
} from "../../core/request/messages.ts";
import {
  decodeMessage,
  decodeRequest,
  decodeResult,
  encodeDeadRequest,
  encodeRequest,
  encodeResult,
  encodeUnchanged,
} from "./messages.ts";
import { REQUEST, RESULT } from "../../test/support/message-samples.ts";

const USAGE = { promptTokens: 12, completionTokens: 345, source: "reported" } as const;

test("a request message comes back as it was", () => {
  const decoded = decodeMessage(encodeRequest(REQUEST));

  expect(decoded).toEqual({ ok: true, kind: "request", request: REQUEST });
});

test.each([
  ["completed", RESULT],
  [
    "failed without execution",
    {
      ...RESULT,
      state: "failed",
      attempts: 0,
      startedAtMs: null,
      usage: null,
      result: null,
      error: { code: "UPSTREAM_BUSY", message: "5 attempts found the ML service busy" },
    },
  ],
  [
    "failed with words of the ML service, and with parts of a usage",
    {
      ...RESULT,
      state: "failed",
      usage: { ...USAGE, cachedTokens: 4, reasoningTokens: 300 },
      result: null,
      error: { code: "UPSTREAM_REJECTED", message: "status 422" },
      errorDetail: Buffer.from([0, 255, 34]),
    },
  ],
  [
    "cancelled while it ran",
    {
      ...RESULT,
      state: "cancelled",
      result: null,
      error: { code: "CANCELLED", message: "cancelled" },
    },
  ],
] satisfies [string, QueuedResult][])("a result message comes back as it was: %s", (_, result) => {
  const decoded = decodeMessage(encodeResult(result));

  expect(decoded).toEqual({ ok: true, kind: "result", result });
});

test("a dead request still reads as the request, and says why it is dead", () => {
  const error = { code: "UPSTREAM_FAILED", message: "the ML service failed 5 times" } as const;

  const message = encodeDeadRequest(REQUEST, error);

  expect(message.headers).toMatchObject({ error_code: error.code, error_message: error.message });
  expect(decodeRequest(message)).toEqual({ ok: true, kind: "request", request: REQUEST });
});

test.each([
  ["error_detail", 7],
  ["error_detail", "a".repeat(70_000)],
  ["cached_tokens", "many"],
  ["reasoning_tokens", -1],
])("a result whose %s is %p is read without it", (name, value) => {
  const message = encodeResult(RESULT);

  const decoded = decodeResult({ ...message, headers: { ...message.headers, [name]: value } });

  expect(decoded).toEqual({ ok: true, kind: "result", result: RESULT });
});

const UNREACHED = {
  code: "UPSTREAM_UNAVAILABLE",
  message: "the ML service was not reached",
} as const;

test("a request that met an error takes it along, also among the dead", () => {
  const request: QueuedRequest = { ...REQUEST, attempt: 2, lastError: UNREACHED };

  const decoded = [encodeRequest(request), encodeDeadRequest(request, UNREACHED)].map(
    decodeRequest,
  );

  const expected = { ok: true, kind: "request", request } as const;
  expect(decoded).toEqual([expected, expected]);
});

test("a request of the version before, without a last error, reads as one that met none", () => {
  const headers = {
    version: 1,
    user_id: REQUEST.head.userId,
    model: REQUEST.head.model,
    window_day: REQUEST.head.windowDay,
    estimated_tokens: REQUEST.head.estimatedTokens,
    created_at_ms: REQUEST.head.createdAtMs,
    expires_at_ms: REQUEST.head.expiresAtMs,
    attempt: REQUEST.attempt,
  };

  expect(encodeRequest(REQUEST).headers).toEqual(headers);
  expect(decodeRequest({ ...encodeRequest(REQUEST), headers })).toEqual({
    ok: true,
    kind: "request",
    request: REQUEST,
  });
});

test("the version before reads a request with a last error: it ignores headers that it does not know", () => {
  const { headers, ...message } = encodeRequest({ ...REQUEST, lastError: UNREACHED });

  const known = encodeRequest(REQUEST).headers;
  const added = Object.keys(headers).filter((name) => !(name in known));
  const unknown = Object.fromEntries(added.map((name) => [`unknown_${name}`, headers[name]]));

  expect(added).toEqual(["last_error_code", "last_error_message"]);
  expect(headers).toMatchObject(known);
  expect(decodeRequest({ ...message, headers: { ...known, ...unknown } })).toEqual({
    ok: true,
    kind: "request",
    request: REQUEST,
  });
});

test.each([
  ["a code of a newer version", { last_error_code: "NEWER_FAULT", last_error_message: "new" }],
  ["a code that is no text", { last_error_code: 7 }],
  ["a message without a code", { last_error_message: "something" }],
])("a last error with %s does not keep its request from being read", (_, odd) => {
  const message = encodeRequest(REQUEST);

  const decoded = decodeRequest({ ...message, headers: { ...message.headers, ...odd } });

  expect(decoded).toEqual({ ok: true, kind: "request", request: REQUEST });
});

test.each(["high", "low"] as const)("a request keeps the class %s", (priority) => {
  const request: QueuedRequest = { ...REQUEST, priority };

  expect(decodeRequest(encodeRequest(request))).toEqual({ ok: true, kind: "request", request });
});

test("a class of a newer version does not keep its request from being read", () => {
  const message = encodeRequest(REQUEST);
  const headers = { ...message.headers, priority: "urgent" };

  const decoded = decodeRequest({ ...message, headers });

  expect(decoded).toEqual({ ok: true, kind: "request", request: REQUEST });
});

test("headers that the broker adds do not disturb", () => {
  const message = encodeRequest(REQUEST);
  const headers = {
    ...message.headers,
    "x-death": [{ queue: "q", count: 1 }],
    "x-delivery-count": 3,
  };

  expect(decodeRequest({ ...message, headers }).ok).toBe(true);
});

const request: QueuedRequest = REQUEST;
const good = encodeRequest(request);
test.each([
  ["a version that is no more", { headers: { ...good.headers, version: 0 } }, "/version"],
  ["no user", { headers: { ...good.headers, user_id: undefined } }, "/user_id"],
  ["an attempt below 1", { headers: { ...good.headers, attempt: 0 } }, "/attempt"],
  ["a count that is text", { headers: { ...good.headers, estimated_tokens: "5" } }, "/estimated"],
  ["a window that is no day", { headers: { ...good.headers, window_day: "today" } }, "/window_day"],
  ["no headers at all", { headers: {} }, "/version"],
  ["an empty body", { body: new Uint8Array(0) }, "body"],
  ["another type", { type: "greeting" }, "type"],
  ["no type", { type: undefined }, "type"],
])("a request message with %s is refused with its request id", (_, change, reason) => {
  const decoded = decodeMessage({ ...good, ...change });

  expect(decoded).toEqual({
    ok: false,
    isNewer: false,
    requestId: request.head.requestId,
    reason: expect.stringContaining(reason),
  });
});

test.each([undefined, 7, "", "not-a-uuid", randomUUIDv7().toUpperCase()])(
  "a message whose id is %p is refused without a request id",
  (messageId) => {
    const decoded = decodeMessage({ ...good, messageId });

    expect(decoded).toEqual({ ok: false, isNewer: false, reason: expect.any(String) });
  },
);

test("a message of a newer version is told from one that nobody can read, whatever else it says", () => {
  const headers = { ...good.headers, version: MESSAGE_VERSION + 1, window_day: "new" };

  const decoded = ["request", "result", "novelty"].map((type) =>
    decodeMessage({ ...good, type, headers }),
  );

  expect(decoded.map((one) => !one.ok && one.isNewer)).toEqual([true, true, true]);
});

test("a newer version's message goes on as it came, not signed, without the broker's headers", () => {
  const headers = { version: 9, novelty: true, nested: { list: [1, null] } };
  const message = { ...good, type: "novelty", headers };

  const again = encodeUnchanged({
    ...message,
    headers: { ...headers, "x-delivery-count": 3, "x-death": [{ count: 1 }] },
  });

  expect(again).toEqual({ ...message, isUnchanged: true });
});

const goodResult = encodeResult(RESULT);
test.each([
  ["an unknown state", { headers: { ...goodResult.headers, state: "queued" } }],
  ["half a usage", { headers: { ...goodResult.headers, completion_tokens: undefined } }],
  ["negative tokens", { headers: { ...goodResult.headers, prompt_tokens: -1 } }],
  ["an unknown fault", { headers: { ...goodResult.headers, error_code: "OOPS" } }],
  ["a completion without a result", { body: new Uint8Array(0) }],
  ["a result without a completion", { headers: { ...goodResult.headers, state: "failed" } }],
])("a result message with %s is refused", (_, change) => {
  expect(decodeResult({ ...goodResult, ...change }).ok).toBe(false);
});
