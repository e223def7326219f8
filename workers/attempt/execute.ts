import type { InferenceOutcome } from "../../core/attempt/outcome.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import { contentOf } from "../../core/request/content.ts";
import { promptTokens } from "../../core/request/estimate.ts";
import type { InferenceChoice, InferencePayload } from "../../core/request/payload.ts";
import type { TokenUsage } from "../../core/request/request.ts";
import type { Deltas } from "../../core/attempt/deltas.ts";
import type { OwnedDelivery } from "../deliveries/owned.ts";
import type { Pass } from "../gates.ts";
import { findContinuation } from "./continue.ts";
import { createDeltaWriter, type DeltaWriter } from "./write-deltas.ts";
import type { WorkerPorts } from "../ports.ts";

/**
 * How an attempt ended: with an outcome; cancelled by its user, before the call (nothing was executed) or
 * during it; broken off, so that the delivery has to go to another worker; or before the call, because the
 * payload cannot be opened.
 */
export type AttemptEnd =
  | { kind: "outcome"; outcome: InferenceOutcome; payload: InferencePayload }
  | { kind: "cancelled"; executed: Executed | null }
  | { kind: "broken off" }
  | { kind: "unreadable" };

/** What was executed until it was broken off. */
export interface Executed {
  payload: InferencePayload;
  /** What had come by then; nothing where the answer does not come in pieces. */
  choices: InferenceChoice[];
}

type ExecutePorts = Pick<
  WorkerPorts,
  | "openPayload"
  | "infer"
  | "beginDeltas"
  | "appendDeltas"
  | "readDeltas"
  | "countTokens"
  | "schedule"
  | "metrics"
  | "now"
  | "log"
  | "reach"
>;

/**
 * Opens the payload and calls the ML service once. The place at the model is free when the call is over:
 * publishing the result needs none.
 */
export async function execute(
  owned: OwnedDelivery,
  config: ModelConfig,
  pass: Pass,
  ports: ExecutePorts,
): Promise<AttemptEnd> {
  const payload = await open(owned, ports);
  if (payload === null) return { kind: "unreadable" };
  if (owned.brokenOff.signal.aborted) return { kind: "broken off" };
  if (owned.isCancelled) return { kind: "cancelled", executed: null };

  const { model } = owned.request.head;
  const startedAtMs = ports.now();
  const { writer, outcome } = await callOrGoOn(owned, config, payload, ports);
  const seconds = (ports.now() - startedAtMs) / 1_000;
  if (outcome === "aborted") {
    pass.leavePlace();
    ports.metrics.worker_inference_duration_seconds.observe(seconds, model, "aborted");
    return owned.brokenOff.signal.aborted
      ? { kind: "broken off" }
      : { kind: "cancelled", executed: { payload, choices: writer?.deltas.choices() ?? [] } };
  }
  pass.endCall(outcome);
  const label = outcome.ok ? "ok" : outcome.code;
  ports.metrics.worker_inference_duration_seconds.observe(seconds, model, label);
  ports.reach("W2");
  // Before the result: whoever hears of the end finds all pieces.
  await writer?.flush();
  return { kind: "outcome", outcome, payload };
}

async function open(owned: OwnedDelivery, ports: ExecutePorts): Promise<InferencePayload | null> {
  try {
    return await ports.openPayload(owned.request);
  } catch (error) {
    const { requestId } = owned.request.head;
    ports.log.error({ err: error, request_id: requestId }, "the payload cannot be opened");
    return null;
  }
}

/** Calls the ML service, or has it go on where a worker before has died in the middle of an answer. */
async function callOrGoOn(
  owned: OwnedDelivery,
  config: ModelConfig,
  payload: InferencePayload,
  ports: ExecutePorts,
): Promise<{ writer: DeltaWriter | null; outcome: InferenceOutcome | "aborted" }> {
  if (!payload.isStreamed)
    return { writer: null, outcome: await call(owned, config, payload, null, ports) };
  const { head } = owned.request;
  const begun = await findContinuation(ports, head, payload, config);
  const writer = createDeltaWriter(ports, head, begun?.said);
  if (begun === null)
    return { writer, outcome: await call(owned, config, payload, writer.deltas, ports) };
  // What the service reports is of a part only: the whole is counted.
  if (begun.payload === null)
    return { writer, outcome: { ok: true, choices: begun.choices, usage: null } };
  const outcome = await call(owned, config, begun.payload, writer.deltas, ports);
  return {
    writer,
    outcome: outcome !== "aborted" && outcome.ok ? { ...outcome, usage: null } : outcome,
  };
}

async function call(
  owned: OwnedDelivery,
  config: ModelConfig,
  payload: InferencePayload,
  deltas: Deltas | null,
  ports: ExecutePorts,
): Promise<InferenceOutcome | "aborted"> {
  const { signal } = owned.call;
  try {
    const outcome = await ports.infer(owned.request.head.model, config, payload, signal, deltas);
    // A reply that came is used, even when the wish to stop came first; an error may be the abort's own
    // doing.
    return signal.aborted && !outcome.ok ? "aborted" : outcome;
  } catch (error) {
    if (signal.aborted) return "aborted";
    throw error;
  }
}

/**
 * Counts the tokens here, because the ML service did not say how many it used, or was not let finish. The
 * prompt counts once, as the gateway counted it for the estimate.
 */
export async function countUsage(
  { input, parameters }: InferencePayload,
  choices: readonly InferenceChoice[],
  { countTokens }: Pick<WorkerPorts, "countTokens">,
  { media_tokens: mediaTokens }: Pick<ModelConfig, "media_tokens">,
): Promise<TokenUsage> {
  const countAll = async (texts: readonly string[]): Promise<number> => {
    let tokens = 0;
    for (const text of texts) tokens += await countTokens(text);
    return tokens;
  };
  const content = contentOf(input, parameters);
  return {
    promptTokens: promptTokens(content, await countAll(content.texts), mediaTokens),
    completionTokens: await countAll(choices.map(saidIn)),
    source: "counted",
  };
}

/** All that a model made for a choice: tool calls and thoughts are as long as they are written. */
function saidIn({ text, message }: InferenceChoice): string {
  return message === undefined ? text : message.text;
}
