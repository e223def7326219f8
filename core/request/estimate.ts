import type { Content } from "./content.ts";

/**
 * Tokens that a chat template adds around each message, and before the reply: the counts that OpenAI
 * documents for its own models.
 */
const TOKENS_PER_MESSAGE = 4;
const TOKENS_PER_REPLY = 3;

/** Tokens of a prompt given those of its texts; `mediaTokens` is what an image, a sound or a file counts. */
export function promptTokens(
  { messages, tokens, media }: Omit<Content, "texts">,
  textTokens: number,
  mediaTokens: number,
): number {
  const template = messages === 0 ? 0 : messages * TOKENS_PER_MESSAGE + TOKENS_PER_REPLY;
  return textTokens + template + tokens + media * mediaTokens;
}

/**
 * What is held up front: the prompt once, and the cap on output tokens for each of the choices. Never 0, so
 * that no request passes a token quota for free.
 */
export function estimateTokens(prompt: number, maxTokens: number, choices: number): number {
  return Math.max(1, prompt + maxTokens * choices);
}
