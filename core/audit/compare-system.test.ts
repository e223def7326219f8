import { expect, test } from "bun:test";

import type { DurableState } from "../request/request.ts";
import { judgeLedger, judgeRequests } from "./compare-system.ts";

test("accepted requests are open or in one terminal state", () => {
  const counts = { accepted: 10, queued: 1, completed: 5, failed: 2, cancelled: 1, expired: 1 };

  expect(judgeRequests(counts)).toEqual([]);
  expect(judgeRequests({ ...counts, accepted: 11 })).toEqual([
    { kind: "requests_unaccounted", accepted: 11, terminal: 9, open: 1 },
  ]);
});

const LEDGER: [state: DurableState, attempts: number, rows: number, kinds: string[]][] = [
  ["completed", 1, 1, ["ledger_differs"]],
  ["completed", 1, 2, ["ledger_duplicate"]],
  ["completed", 1, 0, ["ledger_missing"]],
  ["queued", 0, 1, ["ledger_unexecuted"]],
  ["expired", 0, 1, ["ledger_unexecuted"]],
  ["expired", 0, 2, ["ledger_duplicate", "ledger_unexecuted"]],
  ["failed", 0, 1, ["ledger_unexecuted"]],
  ["failed", 3, 1, ["ledger_differs"]],
  ["failed", 3, 0, ["ledger_missing"]],
  ["cancelled", 0, 1, ["ledger_unexecuted"]],
  ["cancelled", 1, 1, ["ledger_differs"]],
  ["cancelled", 1, 0, ["ledger_missing"]],
];

test.each(LEDGER)(
  "a %s request of %i attempts whose %i ledger rows are not right is judged %j",
  (state, attempts, rows, kinds) => {
    const differences = judgeLedger({ requestId: "a", state, attempts, rows });

    expect(differences.map(({ kind }): string => kind)).toEqual(kinds);
  },
);
