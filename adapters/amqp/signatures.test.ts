import { expect, test } from "bun:test";

import { RESULT, requestOf } from "../../test/support/message-samples.ts";
import { generateEncryptionKey } from "../crypto/envelope.ts";
import {
  encodeDeadRequest,
  encodeRequest,
  encodeResult,
  type OutgoingMessage,
} from "./messages.ts";
import { createSignatures } from "./signatures.ts";

const KEY = generateEncryptionKey("k1");
const NEXT = generateEncryptionKey("k2");
const signaturesOf = (keys: string) => createSignatures(keys, () => false);
const { sign, refusalOf } = signaturesOf(KEY);

const signed = sign(encodeResult(RESULT));
const withHeaders = (headers: Record<string, unknown>): OutgoingMessage => ({
  ...signed,
  headers: { ...signed.headers, ...headers },
});

test("what we have signed is believed, whatever the broker adds and in which order", () => {
  const request = encodeRequest(requestOf(10));
  const error = { code: "UPSTREAM_TIMEOUT", message: "half a pair \ud800, \0 and ü" } as const;

  for (const message of [encodeResult(RESULT), request, encodeDeadRequest(requestOf(10), error)]) {
    const { headers, ...rest } = sign(message);
    const turned = Object.fromEntries(Object.entries(headers).toReversed());
    const added = { ...turned, "x-death": [{ count: 1 }], "x-delivery-count": 3 };
    const delivered = JSON.parse(JSON.stringify(added).replaceAll("\\ud800", "\ufffd"));

    expect(refusalOf({ ...rest, headers: delivered })).toBeUndefined();
  }
});

test.each([
  ["state", withHeaders({ state: "failed" })],
  ["number of tokens", withHeaders({ completion_tokens: 1_000_000 })],
  ["model", withHeaders({ model: "dear" })],
  ["user", withHeaders({ user_id: "another" })],
  ["number of attempts, as text", withHeaders({ attempts: String(RESULT.attempts) })],
  ["header that was not there", withHeaders({ cached_tokens: 1 })],
  ["id", { ...signed, messageId: requestOf(1).head.requestId }],
  ["type", { ...signed, type: "request" }],
  ["byte of the body", { ...signed, body: Uint8Array.from(signed.body, (byte) => byte ^ 1) }],
  ["body that is missing", { ...signed, body: new Uint8Array(0) }],
  ["signature that is no text", withHeaders({ mac: 7 })],
  ["signature that is empty", withHeaders({ mac: "" })],
  ["signature cut short", withHeaders({ mac: String(signed.headers["mac"]).slice(0, -4) })],
  [
    "signature of another message",
    withHeaders({ mac: sign(encodeRequest(requestOf(1))).headers["mac"] }),
  ],
])("another %s is a forgery", (_what, message) => {
  expect(refusalOf(signed)).toBeUndefined();
  expect(refusalOf(message)).toBe("forged");
});

test("what another key has signed is a forgery, also under the same name", () => {
  for (const key of [NEXT, generateEncryptionKey("k1")])
    expect(refusalOf(signaturesOf(key).sign(signed))).toBe("forged");
});

test("a key is rotated: the first signs, all are believed", () => {
  const [old, both, next] = [KEY, `${KEY},${NEXT}`, `${NEXT},${KEY}`].map(signaturesOf);
  const message = encodeRequest(requestOf(10));

  expect(both?.refusalOf(next?.sign(message) ?? message)).toBeUndefined();
  expect(next?.refusalOf(old?.sign(message) ?? message)).toBeUndefined();
  expect(old?.refusalOf(both?.sign(message) ?? message)).toBeUndefined();
});

test("what is not signed is believed while the configuration says so, what is forged is not", () => {
  let accepts = false;
  const lenient = createSignatures(KEY, () => accepts);
  const unsigned = encodeResult(RESULT);

  expect(lenient.refusalOf(unsigned)).toBe("unsigned");
  accepts = true;
  expect(lenient.refusalOf(unsigned)).toBeUndefined();
  expect(lenient.refusalOf(withHeaders({ completion_tokens: 1 }))).toBe("forged");
});
