import {
  decodeRequest,
  decodeResult,
  encodeRequest,
  encodeResult,
} from "../../adapters/amqp/messages.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import { decodeJson, encodeJson } from "../../core/request/payload.ts";
import { mixedBodies } from "../prompts/prompts.ts";
import { keep, measureAll } from "./measure.ts";

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
const encoded = payloads.map(encodeJson);

const repeat =
  (act: (index: number) => unknown) =>
  (times: number): void => {
    for (let i = 0; i < times; i += 1) keep(act(i));
  };

await measureAll([
  { name: "encode a request message", run: repeat(() => encodeRequest(request)) },
  { name: "decode a request message", run: repeat(() => decodeRequest(requestMessage)) },
  { name: "encode a result message", run: repeat(() => encodeResult(result)) },
  { name: "decode a result message", run: repeat(() => decodeResult(resultMessage)) },
  {
    name: "payload to JSON bytes, mixed",
    run: repeat((i) => encodeJson(payloads[i % payloads.length])),
  },
  {
    name: "payload from JSON bytes, mixed",
    run: repeat((i) => decodeJson(encoded[i % encoded.length] ?? new Uint8Array())),
  },
]);
