/**
 * What the simulator has done since it started. Tokens are those of good replies: what a bill is compared
 * with.
 */
export interface SimTotals {
  calls: number;
  answered: number;
  prompt_tokens: number;
  completion_tokens: number;
  /** Calls refused because the queue for a slot was full. */
  refused_busy: number;
  /** Calls whose caller left before the answer. */
  abandoned: number;
  /** Faults served, by kind. */
  faults: Record<string, number>;
}

export function createTotals(): SimTotals {
  return {
    calls: 0,
    answered: 0,
    prompt_tokens: 0,
    completion_tokens: 0,
    refused_busy: 0,
    abandoned: 0,
    faults: {},
  };
}
