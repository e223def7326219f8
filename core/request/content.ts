import { JsonText } from "../json/json-text.ts";
import type { PayloadInput } from "./payload.ts";

/** A message of a chat as far as we look into it; all else in it is passed on. */
export interface ChatMessage {
  role: string;
  content?: string | null | ContentPart[];
}

/** A piece of a message: `text` has text, others have images, sound or files. */
export interface ContentPart {
  type: string;
  text?: string;
}

/** What there is to count in a request. */
export interface Content {
  /** In order. */
  texts: string[];
  /** Messages of a chat; 0: it is none. */
  messages: number;
  /** Tokens that the caller counted. */
  tokens: number;
  /** Images, sounds and files, whose tokens cannot be counted. */
  media: number;
}

/** Parameters that a model reads as text: they count as what they are as JSON. */
const READ_BY_MODELS = ["tools", "functions", "response_format"] as const;

/** What a request says and shows: counted for its estimate, and where the ML service reports no usage. */
export function contentOf(
  input: PayloadInput,
  parameters: ReadonlyMap<string, JsonText> = new Map(),
): Content {
  const content: Content = { texts: [], messages: 0, tokens: 0, media: 0 };
  if ("messages" in input) addMessages(content, input.messages.parse() as ChatMessage[]);
  else addPrompt(content, ("prompt" in input ? input.prompt : input.input).parse());
  for (const name of READ_BY_MODELS) {
    const parameter = parameters.get(name);
    if (parameter !== undefined) content.texts.push(parameter.text);
  }
  return content;
}

/** A text, several, a list of tokens, or several of these. */
function addPrompt(content: Content, prompt: unknown): void {
  if (typeof prompt === "string") content.texts.push(prompt);
  else if (typeof prompt === "number") content.tokens += 1;
  else if (Array.isArray(prompt)) for (const one of prompt) addPrompt(content, one);
}

function addMessages(content: Content, messages: readonly ChatMessage[]): void {
  content.messages = messages.length;
  for (const message of messages) {
    const { role: _, content: said, ...rest } = message;
    if (typeof said === "string") content.texts.push(said);
    else for (const part of said ?? []) addPart(content, part);
    for (const [name, member] of Object.entries(rest)) {
      if (member === null || name === "tool_call_id") continue;
      content.texts.push(typeof member === "string" ? member : JSON.stringify(member));
    }
  }
}

function addPart(content: Content, part: ContentPart): void {
  if (typeof part.text === "string") content.texts.push(part.text);
  else content.media += 1;
}

/** How many answers a request gets: each of its prompts has its own. */
export function promptsOf(input: PayloadInput): number {
  if ("messages" in input) return 1;
  const prompt = ("prompt" in input ? input.prompt : input.input).parse();
  return Array.isArray(prompt) && typeof prompt[0] !== "number" ? Math.max(1, prompt.length) : 1;
}

/** The text of a message; what is no text is left out. */
export function messageText({ content }: ChatMessage): string {
  if (typeof content === "string") return content;
  return (content ?? []).map(({ text = "" }) => text).join("");
}
