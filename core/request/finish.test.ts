import { expect, test } from "bun:test";

import { ledgerEntryOf } from "./finish.ts";
import type { TerminalState, TokenUsage } from "./request.ts";

const USAGE: TokenUsage = { promptTokens: 10, completionTokens: 20, source: "counted" };

const ENDS: [
  state: TerminalState,
  attempts: number,
  usage: TokenUsage | null,
  entry: [source: string, executions: number, failed: number] | null,
][] = [
  ["completed", 1, USAGE, ["counted", 1, 0]],
  ["completed", 3, USAGE, ["counted", 3, 2]],
  ["completed", 0, USAGE, ["counted", 1, 0]],
  ["failed", 0, null, null],
  ["failed", 1, null, ["failed", 1, 1]],
  ["failed", 5, null, ["failed", 5, 5]],
  ["failed", 5, USAGE, ["counted", 5, 5]],
  ["cancelled", 0, null, null],
  ["cancelled", 1, USAGE, ["counted", 1, 0]],
  ["cancelled", 3, USAGE, ["counted", 3, 2]],
  ["cancelled", 2, null, ["failed", 2, 2]],
  ["expired", 0, null, null],
];

test.each(ENDS)(
  "a request that is %s after %i executions, with usage %j, is in the ledger as %j",
  (state, attempts, usage, expected) => {
    const entry = ledgerEntryOf({ state, attempts, usage });

    expect(entry && [entry.source, entry.executions, entry.failedExecutions]).toEqual(
      expected as never,
    );
    const tokens = usage === null ? 0 : 30;
    if (entry !== null) expect(entry.promptTokens + entry.completionTokens).toBe(tokens);
  },
);
