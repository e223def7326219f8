import type { JsonText } from "../../core/json/json-text.ts";
import type { UsageReport } from "../../core/attempt/usage.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import type { InferencePayload } from "../../core/request/payload.ts";

/** One call as the protocols see it. */
export interface MlCall {
  payload: InferencePayload;
  /** The model's name at the ML service. */
  upstreamModel: string;
  /** What the ML service calls fields that have other names in our protocols. */
  fields: ModelConfig["fields"];
  /** Whether the answer is wanted in pieces; only of protocols that `streams`. */
  isStreamed: boolean;
}

export interface MlChoice {
  text: string;
  finishReason: string | null;
  /** Where the reply has more than the text: the message as it is written. */
  message?: JsonText;
  logprobs?: JsonText;
}

/**
 * What a protocol found in a reply of status 2xx. Only its types are certain; nothing in it is trusted yet.
 */
export interface MlReply {
  choices: MlChoice[];
  /** Of a service that embeds: its vectors as they are written. */
  data?: JsonText;
  /** As the reply has it: whatever is not plausible is counted here instead. */
  usage: UsageReport;
}

/** How an ML service is spoken to. */
export interface Protocol {
  /** Whether it answers in pieces when asked to: OpenAI's server-sent events. */
  streams?: boolean;
  /** The body to post, or a promise of it; null: the protocol cannot say this. */
  writeRequest: (call: MlCall) => JsonText | null | Promise<JsonText | null>;
  /** null: the reply does not have the shape of the protocol. */
  readReply: (reply: JsonText) => MlReply | null | Promise<MlReply | null>;
  /** The status that a reply of status 2xx means by an error inside; null: none. Absent: it has no such. */
  statusInside?: (reply: unknown) => number | null;
  /**
   * Whether a reply of another status may be retried; null: the status decides. Absent: the status always
   * decides.
   */
  isRetryable?: (status: number, body: unknown) => Promise<boolean | null>;
}
