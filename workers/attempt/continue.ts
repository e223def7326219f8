import { createDeltas, type Piece } from "../../core/attempt/deltas.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import { itemsOf, JsonText } from "../../core/json/json-text.ts";
import { FIRST_POSITION, follows } from "../../core/request/delta-entry.ts";
import type { InferenceChoice, InferencePayload } from "../../core/request/payload.ts";
import type { RequestHead } from "../../core/request/request.ts";
import type { WorkerPorts } from "../ports.ts";

/** What is left to do of an answer that a worker before has begun to give. */
export interface Continuation {
  /** What was given already. */
  said: Piece[];
  /** Asks the ML service to go on from it; null: the answer is there, and only its end was lost. */
  payload: InferencePayload | null;
  choices: InferenceChoice[];
}

type Ports = Pick<WorkerPorts, "readDeltas" | "countTokens" | "log">;

/** Entries of one answer: far above what comes of a cap on its tokens. */
const READS_MAX = 1_000;

/**
 * Finds what is left of an answer whose worker has died, where the model can be asked to go on: of one choice
 * that is plain text. null: it is begun anew. Never throws.
 */
export async function findContinuation(
  ports: Ports,
  head: RequestHead,
  payload: InferencePayload,
  { continuation, protocol }: ModelConfig,
): Promise<Continuation | null> {
  if (continuation === undefined || protocol !== "openai-chat" || payload.n !== 1) return null;
  try {
    const said = await readSaid(ports, head);
    const deltas = createDeltas();
    said.forEach(deltas.add);
    const choices = deltas.choices();
    const [choice] = choices;
    if (choice === undefined || choices.length > 1) return null;
    if (deltas.isWhole()) return { said, payload: null, choices };
    if (choice.message !== undefined || choice.text === "") return null;
    return { said, payload: await goOn(ports, payload, choice.text), choices };
  } catch (error) {
    ports.log.warn({ err: error, request_id: head.requestId }, "an answer is begun anew");
    return null;
  }
}

/** The pieces of the last execution, and of those before that it went on from. Throws if some were lost. */
async function readSaid(
  { readDeltas }: Ports,
  { requestId, userId }: RequestHead,
): Promise<Piece[]> {
  let said: Piece[] = [];
  let after = FIRST_POSITION;
  for (let reads = 0; reads < READS_MAX; reads += 1) {
    const [entries = []] = await readDeltas([{ requestId, userId, after }]);
    for (const entry of entries) {
      if (!follows(entry, after)) throw new Error("pieces of it were lost");
      after = entry.position;
      if (entry.pieces !== null) said.push(...entry.pieces);
      else if (!entry.isContinued) said = [];
    }
    if (entries.length === 0) break;
  }
  return said;
}

/** As vLLM and SGLang have it: the last message is the assistant's, and is not closed. */
async function goOn(
  { countTokens }: Ports,
  payload: InferencePayload,
  text: string,
): Promise<InferencePayload> {
  const { input, maxTokens, parameters } = payload;
  const before =
    "messages" in input
      ? itemsOf(input.messages)
      : [{ role: "user", content: "prompt" in input ? input.prompt : input.input }];
  return {
    ...payload,
    input: { messages: JsonText.of([...before, { role: "assistant", content: text }]) },
    maxTokens: Math.max(1, maxTokens - (await countTokens(text))),
    parameters: new Map([
      ...parameters,
      ["continue_final_message", new JsonText("true")],
      ["add_generation_prompt", new JsonText("false")],
    ]),
  };
}
