import type { ModelConfig } from "../core/config/schema.ts";
import { chatTokens } from "../core/estimate.ts";
import type { InferenceChoice, InferencePayload } from "../core/payload.ts";
import type { TokenUsage } from "../core/request.ts";
import { healthSignalOf, type InferenceOutcome } from "../core/attempt/outcome.ts";
import type { Held } from "./held.ts";
import type { Pass } from "./model-gate.ts";
import type { WorkerPorts } from "./ports.ts";

/**
 * How one attempt ended: with an outcome, cancelled by its user before the call (nothing was executed) or during it, to be given
 * back, or before the call because the payload cannot be opened.
 */
export type Attempt =
  | { kind: "outcome"; outcome: InferenceOutcome; payload: InferencePayload }
  | { kind: "cancelled"; executed: InferencePayload | null }
  | { kind: "given back" }
  | { kind: "unreadable" };

type ExecutePorts = Pick<
  WorkerPorts,
  "openPayload" | "infer" | "metrics" | "now" | "log" | "reach"
>;

/** Opens the payload and calls the ML service once. The pass ends with the call, so that publishing holds no slot of the model. */
export async function execute(
  held: Held,
  config: ModelConfig,
  pass: Pass,
  ports: ExecutePorts,
): Promise<Attempt> {
  const payload = await open(held, ports);
  if (payload === null) return { kind: "unreadable" };
  if (held.giveBack.signal.aborted) return { kind: "given back" };
  if (held.isCancelled) return { kind: "cancelled", executed: null };

  const { model } = held.request.head;
  const startedAtMs = ports.now();
  const outcome = await call(held, config, payload, ports);
  const seconds = (ports.now() - startedAtMs) / 1_000;
  if (outcome === "aborted") {
    pass.finish("abandoned");
    ports.metrics.worker_inference_duration_seconds.observe(seconds, model, "aborted");
    return held.giveBack.signal.aborted
      ? { kind: "given back" }
      : { kind: "cancelled", executed: payload };
  }
  pass.finish(healthSignalOf(outcome));
  const label = outcome.ok ? "ok" : outcome.code;
  ports.metrics.worker_inference_duration_seconds.observe(seconds, model, label);
  ports.reach("W2");
  return { kind: "outcome", outcome, payload };
}

async function open(held: Held, ports: ExecutePorts): Promise<InferencePayload | null> {
  try {
    return await ports.openPayload(held.request);
  } catch (error) {
    const { requestId } = held.request.head;
    ports.log.error({ err: error, request_id: requestId }, "the payload cannot be opened");
    return null;
  }
}

async function call(
  held: Held,
  config: ModelConfig,
  payload: InferencePayload,
  ports: ExecutePorts,
): Promise<InferenceOutcome | "aborted"> {
  const { signal } = held.call;
  try {
    const outcome = await ports.infer(held.request.head.model, config, payload, signal);
    // An answer that came is used, even when the wish to stop came first; an error may be the abort's own doing.
    return signal.aborted && !outcome.ok ? "aborted" : outcome;
  } catch (error) {
    if (signal.aborted) return "aborted";
    throw error;
  }
}

/**
 * Tokens counted here, because the ML service did not say or was not let finish. The prompt counts once, as the gateway counted it
 * for the estimate.
 */
export async function countUsage(
  { input }: InferencePayload,
  choices: readonly InferenceChoice[],
  countTokens: WorkerPorts["countTokens"],
): Promise<TokenUsage> {
  const countAll = async (texts: readonly string[]): Promise<number> => {
    let tokens = 0;
    for (const text of texts) tokens += await countTokens(text);
    return tokens;
  };
  const promptTokens =
    "prompt" in input
      ? await countTokens(input.prompt)
      : chatTokens(input.messages, await countAll(input.messages.map(({ content }) => content)));
  const completionTokens = await countAll(choices.map(({ text }) => text));
  return { promptTokens, completionTokens, source: "counted" };
}
