import { JsonText } from "../../core/json/json-text.ts";
import type { InferencePayload, PayloadInput } from "../../core/request/payload.ts";

/** A payload by its values. */
export interface PayloadValues {
  input: { prompt: unknown } | { messages: unknown } | { input: unknown };
  maxTokens: number;
  n: number;
  parameters: Readonly<Record<string, unknown>>;
  isStreamed: boolean;
}

/** A payload as the gateway makes it of a body with these values. */
export function payloadOf(values: Partial<PayloadValues> = {}): InferencePayload {
  const { input = { prompt: "Why?" }, parameters = {}, ...rest } = values;
  const written = Object.entries(input).map(([name, value]) => [name, JsonText.of(value)]);
  return {
    input: Object.fromEntries(written) as PayloadInput,
    maxTokens: 10,
    n: 1,
    isStreamed: false,
    ...rest,
    parameters: new Map(
      Object.entries(parameters).map(([name, value]) => [name, JsonText.of(value)]),
    ),
  };
}
