import { expect, test } from "bun:test";

import type { HistoryEvent } from "./history.ts";
import { foldHistory } from "./operations.ts";

const at = { op: 0, monotonicMs: 0, wallMs: 0 };
const what = { prompt: "load 0", model: null, group: null };
const call = { key: "key", userId: "ada", ...what, gateway: "http://gateway" };
const refusal = { ...at, type: "fail", act: "generate", status: 503 } as const;

async function* historyOf(last: HistoryEvent): AsyncGenerator<HistoryEvent> {
  yield { ...at, ...call, type: "invoke", act: "generate" };
  yield last;
}

test.each([
  ["STORE_UNSURE", { unknownCalls: 1, refusals: 0 }],
  ["STORE_UNAVAILABLE", { unknownCalls: 0, refusals: 1 }],
])(
  "of all 503s only the unsure one leaves open what became of the call: %s",
  async (code, counts) => {
    const operations = await foldHistory(historyOf({ ...refusal, code }));

    expect(operations.get(0)).toMatchObject(counts);
  },
);
