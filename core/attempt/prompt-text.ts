import type { ChatMessage, InferencePayload } from "../request/payload.ts";

const SPEAKERS = {
  system: "System",
  developer: "System",
  user: "User",
  assistant: "Assistant",
} as const satisfies Record<ChatMessage["role"], string>;

/**
 * Messages as one plain prompt, for an ML service that knows no chat: each message as `Speaker: content`
 * followed by an empty line, and `Assistant:` at the end for the model to go on from.
 */
export function renderMessages(messages: readonly ChatMessage[]): string {
  const turns = messages.map(({ role, content }) => `${SPEAKERS[role]}: ${content}\n\n`);
  return `${turns.join("")}Assistant:`;
}

/** The input as one plain text: the prompt as given, or the rendered messages. */
export function promptText(input: InferencePayload["input"]): string {
  return "prompt" in input ? input.prompt : renderMessages(input.messages);
}
