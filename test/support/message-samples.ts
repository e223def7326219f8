import { randomUUIDv7 } from "bun";
import { createSignatures } from "../../adapters/amqp/signatures.ts";
import { generateEncryptionKey } from "../../adapters/crypto/envelope.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";

/** What messages are signed with where no other process reads them. */
export const SIGNATURES = createSignatures(generateEncryptionKey("k1"), () => false);

/** Of all samples; its name has what names of queues seldom have. */
export const MODEL = "sim/small:latest";

const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);

/** One request and one result for the tests, with a payload that holds every byte. */
export const REQUEST: QueuedRequest = {
  head: {
    requestId: randomUUIDv7(),
    userId: "user-ä-1",
    model: MODEL,
    windowDay: "2026-11-21",
    estimatedTokens: 70_000,
    createdAtMs: 1_795_302_772_123,
    expiresAtMs: 1_795_389_172_123,
  },
  attempt: 1,
  payload: everyByte,
};

export const RESULT: QueuedResult = {
  head: REQUEST.head,
  state: "completed",
  attempts: 2,
  startedAtMs: 1_795_302_773_000,
  completedAtMs: 1_795_302_775_500,
  usage: { promptTokens: 12, completionTokens: 345, source: "reported" },
  error: null,
  result: everyByte,
};

/** Another request of the same kind. */
export function requestOf(bytes: number): QueuedRequest {
  return {
    ...REQUEST,
    head: { ...REQUEST.head, requestId: randomUUIDv7() },
    payload: new Uint8Array(bytes).fill(7),
  };
}
