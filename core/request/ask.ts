import type { Priority } from "../queue/fair-order.ts";
import type { JsonText } from "../json/json-text.ts";
import type { PayloadInput } from "./payload.ts";

/** What a caller asks for, through whatever door; checked for its form only. undefined: not given. */
export interface Ask {
  model: string | undefined;
  input: PayloadInput;
  /** Cap on output tokens per choice. */
  maxTokens: number | undefined;
  /** Number of choices. */
  n: number | undefined;
  parameters: ReadonlyMap<string, JsonText>;
  isStreamed: boolean;
  metadata: JsonText | undefined;
  /** Seconds. */
  queueTtl: number | undefined;
  deadline: string | undefined;
  priority: Priority | undefined;
  /** The whole body, and through which door it came: what makes two asks the same. */
  body: JsonText;
  door: Door;
}

/** The dialects in which may be asked; there is one path behind them. */
export type Door = "native" | "chat" | "completions" | "embeddings";
