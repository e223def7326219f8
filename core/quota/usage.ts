export interface UsageQuery {
  userId: string;
  /** First and last UTC day of the windows, both included, `YYYY-MM-DD`. */
  from: string;
  to: string;
  by: "day" | "model";
}

/** What the ledger has under one day or one model. */
export interface Usage {
  /** The day or the model. */
  key: string;
  /** Those that tokens were billed for. */
  requests: number;
  /** Those that were executed and failed: they count in the windows, without tokens. */
  failedRequests: number;
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  /** Of the prompts' tokens, those that came from a cache. */
  cachedTokens: number;
  /** Of the completions' tokens, those of hidden reasoning. */
  reasoningTokens: number;
}
