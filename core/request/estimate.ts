import type { ChatMessage } from "./payload.ts";

/**
 * Tokens that a chat template adds around each message, and before the reply: the counts that OpenAI
 * documents for its own models.
 */
const TOKENS_PER_MESSAGE = 4;
const TOKENS_PER_REPLY = 3;

/** Tokens of a chat given those of its contents in order. */
export function chatTokens(messages: readonly ChatMessage[], contentTokens: number): number {
  return contentTokens + messages.length * TOKENS_PER_MESSAGE + TOKENS_PER_REPLY;
}

/**
 * What is held up front: the prompt once, and the cap on output tokens for each of the `n` choices. Never 0,
 * so that no request passes a token quota for free.
 */
export function estimateTokens(promptTokens: number, maxTokens: number, n: number): number {
  return Math.max(1, promptTokens + maxTokens * n);
}
