import type { Deltas } from "../../core/attempt/deltas.ts";
import { itemsOf, JsonText, memberOf as textOf } from "../../core/json/json-text.ts";
import { memberOf, usageIn } from "./openai-fields.ts";
import type { MlReply, Protocol } from "./protocol.ts";

/** What a stream of events came to. */
export type StreamEnd =
  | { kind: "reply"; reply: MlReply }
  /** The service broke off with an error, as this document says. */
  | { kind: "error"; status: number; text: string }
  /** It ended before every choice had said why it ended, or with something else than JSON. */
  | { kind: "broken" };

/** Reads the events of one answer; `deltas` gets its pieces as they come. */
export interface StreamReply {
  /** Returns whether more is wanted. */
  onData: (data: string) => boolean;
  end: () => StreamEnd;
}

export function createStreamReply(
  { statusInside }: Pick<Protocol, "statusInside">,
  deltas: Deltas,
): StreamReply {
  let usage: unknown;
  let broken: StreamEnd | null = null;

  function take(event: JsonText): boolean {
    const value = event.parse();
    const status = statusInside?.(value) ?? null;
    if (status !== null) {
      broken = { kind: "error", status, text: event.text };
      return false;
    }
    usage = memberOf(value, "usage") ?? usage;
    const choices = textOf(event, "choices");
    if (choices !== undefined && itemsOf(choices).length > 0) deltas.add(choices);
    return true;
  }

  return {
    onData(data) {
      if (data === "[DONE]") return false;
      try {
        return take(new JsonText(data, JSON.parse(data)));
      } catch {
        broken = { kind: "broken" };
        return false;
      }
    },
    end() {
      if (broken !== null) return broken;
      if (!deltas.isWhole()) return { kind: "broken" };
      const choices = deltas.choices().map(({ text, message, logprobs, finish_reason }) => ({
        text,
        finishReason: finish_reason,
        ...(message ? { message } : {}),
        ...(logprobs ? { logprobs } : {}),
      }));
      return { kind: "reply", reply: { choices, usage: usageIn(usage) } };
    },
  };
}
