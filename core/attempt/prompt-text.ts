import { type ChatMessage, messageText } from "../request/content.ts";
import type { PayloadInput } from "../request/payload.ts";

const SPEAKERS: Readonly<Record<string, string>> = {
  system: "System",
  developer: "System",
  user: "User",
  assistant: "Assistant",
  tool: "Tool",
  function: "Tool",
};

/**
 * Messages as one plain prompt, for an ML service that knows no chat: each message as `Speaker: content`
 * followed by an empty line, and `Assistant:` at the end for the model to go on from.
 */
export function renderMessages(messages: readonly ChatMessage[]): string {
  const turns = messages.map(
    (message) => `${SPEAKERS[message.role] ?? "User"}: ${messageText(message)}\n\n`,
  );
  return `${turns.join("")}Assistant:`;
}

/** The input as one plain text: the prompt as given, or the rendered messages. */
export function promptText(input: PayloadInput): string {
  if ("messages" in input) return renderMessages(input.messages.parse() as ChatMessage[]);
  const prompt = ("prompt" in input ? input.prompt : input.input).parse();
  return typeof prompt === "string" ? prompt : JSON.stringify(prompt);
}
