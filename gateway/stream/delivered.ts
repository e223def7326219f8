import { itemsOf, JsonText, membersOf, writeMembers } from "../../core/json/json-text.ts";
import type { Piece } from "../../core/attempt/deltas.ts";
import type { InferenceChoice } from "../../core/request/payload.ts";

/** What a reader has had of an answer: by it the rest is known. */
export interface Delivered {
  /** Returns the piece as it is to be sent on. */
  take: (piece: Piece) => Piece;
  /** Another execution gives the pieces from now on. */
  goOn: () => void;
  /** Whether something of the answer itself was sent: another execution would say it in other words. */
  hasSaid: () => boolean;
  /** What is missing of the choices as they are stored; null: what was sent does not fit them. */
  restOf: (choices: readonly InferenceChoice[], kind: "chat" | "text") => Piece | null;
}

interface Sent {
  hasRole: boolean;
  /** Of `content` or `text`, characters. */
  chars: number;
  hasMore: boolean;
  isFinished: boolean;
}

interface WrittenDelta {
  index?: number;
  text?: unknown;
  delta?: Record<string, unknown> | null;
  finish_reason?: unknown;
}

export function createDelivered(): Delivered {
  const byIndex = new Map<number, Sent>();
  let hasGoneOn = false;

  function sentOf(index: number): Sent {
    const known = byIndex.get(index);
    if (known !== undefined) return known;
    const made = { hasRole: false, chars: 0, hasMore: false, isFinished: false };
    byIndex.set(index, made);
    return made;
  }

  function note(written: JsonText): JsonText {
    const { index = 0, text, delta, finish_reason } = written.parse() as WrittenDelta;
    const sent = sentOf(index);
    const { role, content, ...more } = delta ?? {};
    const said = text ?? content;
    if (typeof said === "string") sent.chars += said.length;
    if (Object.values(more).some((value) => value !== null)) sent.hasMore = true;
    if (typeof finish_reason === "string") sent.isFinished = true;
    // Clients join what is said twice: "assistantassistant".
    const isRoleAgain = role !== undefined && sent.hasRole && hasGoneOn;
    if (role !== undefined) sent.hasRole = true;
    return isRoleAgain ? withoutRole(written) : written;
  }

  function missingOf(choice: InferenceChoice, kind: "chat" | "text"): object | null {
    const { index, text, finish_reason, message, logprobs } = choice;
    const sent = sentOf(index);
    const probs = sent.chars === 0 && logprobs ? { logprobs } : {};
    if (sent.isFinished) return null;
    const rest = text.slice(sent.chars);
    if (kind === "text") return { index, text: rest, finish_reason, ...probs };
    const isWhole = !sent.hasMore && sent.chars === 0 && message !== undefined;
    const delta = isWhole
      ? deltaOf(message)
      : { ...(sent.hasRole ? {} : { role: "assistant" }), content: rest };
    return { index, delta, finish_reason, ...probs };
  }

  return {
    take: (piece) => {
      const taken = itemsOf(piece).map(note);
      return hasGoneOn ? JsonText.of(taken) : piece;
    },
    goOn: () => {
      hasGoneOn = true;
    },
    hasSaid: () => [...byIndex.values()].some(({ chars, hasMore }) => chars > 0 || hasMore),
    restOf(choices, kind) {
      const isCut = choices.some(({ index, text, message }) => {
        const { chars, hasMore, isFinished } = sentOf(index);
        // Of a tool call nobody knows how much of it came.
        return !isFinished && (chars > text.length || (hasMore && message !== undefined));
      });
      if (isCut) return null;
      return JsonText.of(
        choices.flatMap((choice) => {
          const missing = missingOf(choice, kind);
          return missing === null ? [] : [missing];
        }),
      );
    },
  };
}

/** A whole message as one piece: its tool calls get the index that pieces have. */
function deltaOf(message: JsonText): JsonText {
  const members = membersOf(message).map(([name, value]) => {
    if (name !== "tool_calls") return [name, value] as const;
    const calls = itemsOf(value).map(
      (call, index) =>
        new JsonText(
          writeMembers([["index", index], ...membersOf(call).filter(([key]) => key !== "index")]),
        ),
    );
    return [name, calls] as const;
  });
  return new JsonText(writeMembers(members));
}

function withoutRole(written: JsonText): JsonText {
  const members = membersOf(written).map(([name, value]) => {
    if (name !== "delta") return [name, value] as const;
    const rest = membersOf(value).filter(([key]) => key !== "role");
    return [name, new JsonText(writeMembers(rest))] as const;
  });
  return new JsonText(writeMembers(members));
}
