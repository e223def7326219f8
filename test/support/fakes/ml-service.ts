import type { InferenceOutcome } from "../../../core/attempt/outcome.ts";
import { promptText } from "../../../core/attempt/prompt-text.ts";
import { plausibleUsage, usageBounds } from "../../../core/attempt/usage.ts";
import type { InferencePayload } from "../../../core/request/payload.ts";
import type { Schedule } from "../../../runtime/schedule.ts";
import type { WorkerPorts } from "../../../workers/ports.ts";

/** An ML service that replies when a test says so. */
export interface FakeMlService {
  infer: WorkerPorts["infer"];
  /** All calls so far, the first in front. */
  calls: FakeCall[];
}

/** One call. What comes after its end changes nothing. */
export interface FakeCall {
  model: string;
  payload: InferencePayload;
  /** Aborts when the worker does not wait for the reply any more. */
  signal: AbortSignal;
  /** Ends the call as the adapter would: of a reply it keeps what was paid for and can be true. */
  reply: (outcome: InferenceOutcome) => void;
  /** Our own code breaks off. */
  fail: (error: Error) => void;
}

/** `onCall` hears of each call before anything else happens to it. */
export function createFakeMlService(
  schedule: Schedule,
  onCall: (call: FakeCall) => void = () => {},
): FakeMlService {
  const calls: FakeCall[] = [];
  const infer: WorkerPorts["infer"] = (model, { timeout_ms: timeoutMs }, payload, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<InferenceOutcome>();
    if (signal.aborted) return Promise.reject(signal.reason);
    const message = `no complete reply within ${timeoutMs} ms`;
    const callOff = schedule(
      () => resolve({ ok: false, code: "UPSTREAM_TIMEOUT", message, retryAfterMs: null }),
      timeoutMs,
    );
    const abandon = (): void => reject(signal.reason);
    signal.addEventListener("abort", abandon);
    const call: FakeCall = {
      model,
      payload,
      signal,
      reply: (outcome) => resolve(outcome.ok ? keptOf(outcome, payload) : outcome),
      fail: reject,
    };
    calls.push(call);
    onCall(call);
    return promise.finally(() => {
      callOff();
      signal.removeEventListener("abort", abandon);
    });
  };
  return { infer, calls };
}

function keptOf(
  { choices, usage }: Extract<InferenceOutcome, { ok: true }>,
  { input, maxTokens, n }: InferencePayload,
): InferenceOutcome {
  const kept = choices.slice(0, n);
  const bounds = usageBounds({
    promptBytes: Buffer.byteLength(promptText(input)),
    replyTextBytes: kept.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0),
    maxTokens,
    n,
  });
  const plausible = usage === null ? null : plausibleUsage({ ...usage }, bounds);
  return { ok: true, choices: kept, usage: plausible };
}
