import {
  decodeRequest,
  decodeResult,
  encodeRequest,
  encodeResult,
} from "../../adapters/amqp/messages.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import { decodeJson, encodeJson } from "../../core/request/payload.ts";
import { mixedBodies } from "../prompts/prompts.ts";
import { measureAll } from "./measure.ts";

const head = {
  requestId: crypto.randomUUID(),
  userId: crypto.randomUUID(),
  model: "sim-chat",
  windowDay: "2026-01-01",
  estimatedTokens: 100,
  createdAtMs: 1_767_225_600_000,
  expiresAtMs: 1_767_312_000_000,
};
const request: QueuedRequest = { head, attempt: 1, payload: new Uint8Array(2_048) };
const result: QueuedResult = {
  head,
  state: "completed",
  attempts: 1,
  startedAtMs: head.createdAtMs,
  completedAtMs: head.createdAtMs,
  usage: { source: "reported", promptTokens: 40, completionTokens: 20 },
  error: null,
  result: new Uint8Array(500),
};
const requestMessage = encodeRequest(request);
const resultMessage = encodeResult(result);
const payloads = (await mixedBodies(200)).map((input) => ({
  input,
  maxTokens: 64,
  n: 1,
  parameters: {},
}));
const NOTHING = new Uint8Array();
const encoded = payloads.map(encodeJson);

await measureAll([
  ["encode a request message", () => encodeRequest(request)],
  ["decode a request message", () => decodeRequest(requestMessage)],
  ["encode a result message", () => encodeResult(result)],
  ["decode a result message", () => decodeResult(resultMessage)],
  ["payload to JSON bytes, mixed", (i) => encodeJson(payloads[i % payloads.length])],
  ["payload from JSON bytes, mixed", (i) => decodeJson(encoded[i % encoded.length] ?? NOTHING)],
]);
