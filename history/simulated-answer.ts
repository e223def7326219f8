import { countPromptTokens, makeOutput } from "../ml-sim/text.ts";

/**
 * What the simulator answers to a prompt for one choice under its default settings: text, and the tokens it
 * reports.
 */
export function simulatedAnswer(
  prompt: string,
  maxTokens: number,
): { text: string; promptTokens: number; completionTokens: number } {
  const { text, tokens } = makeOutput(prompt, 0, maxTokens, { min: 16, max: 128 });
  return { text, promptTokens: countPromptTokens(prompt), completionTokens: tokens };
}
