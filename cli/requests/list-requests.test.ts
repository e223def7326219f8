import { expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import type { DurableState } from "../../core/request/request.ts";
import type { ListedRequest } from "../../core/request/stored-request.ts";
import { type ListPorts, listSeen } from "./list-requests.ts";

const rowOf = (requestId: string, state: DurableState = "queued"): ListedRequest => ({
  requestId,
  userId: "u",
  model: "m",
  state,
  estimatedTokens: 1,
  promptTokens: null,
  completionTokens: null,
  totalTokens: null,
  attempts: 0,
  createdAtMs: 0,
  startedAtMs: null,
  completedAtMs: null,
  errorCode: null,
  errorMessage: null,
  metadata: null,
});

const MANY = Array.from({ length: 1_200 }, (_, index) => String(9_999 - index));

/** Requests by id, newest first, of which every third is in progress. */
function portsOf(rows: readonly ListedRequest[], isRedisAway = false): ListPorts {
  return {
    search: async ({ state }, { before, limit }) => {
      const found = rows.filter(
        (row) =>
          (state === undefined || row.state === state) &&
          (before === undefined || row.requestId < before),
      );
      const items = found.slice(0, limit);
      return { items, next: found.length > limit ? (items.at(-1)?.requestId ?? null) : null };
    },
    readStarted: async (requests) => {
      if (isRedisAway) throw new Fault("QUOTA_UNAVAILABLE", "away");
      return requests.map(({ requestId }) =>
        Number(requestId) % 3 === 0 ? { attempt: 2, startedAtMs: 5 } : undefined,
      );
    },
  };
}

test("requests that a worker executes are told from those that wait", async () => {
  const ports = portsOf([rowOf("9"), rowOf("8"), rowOf("7", "completed")]);

  const { items } = await listSeen(ports, {}, { limit: 10 });

  expect(items.map(({ requestId, state, attempts }) => [requestId, state, attempts])).toEqual([
    ["9", "in_progress", 2],
    ["8", "queued", 0],
    ["7", "completed", 0],
  ]);
});

test("pages of one of the two miss none and repeat none", async () => {
  const ports = portsOf(MANY.map((id) => rowOf(id)));
  const seen: string[] = [];
  let before: string | undefined;
  do {
    const page = await listSeen(ports, {}, { status: "in_progress", before, limit: 150 });
    seen.push(...page.items.map(({ requestId }) => requestId));
    before = page.next ?? undefined;
  } while (before !== undefined);

  expect(seen).toEqual(MANY.filter((id) => Number(id) % 3 === 0));
});

test("without Redis all count as queued, which is said; asking for those in progress fails", async () => {
  const ports = portsOf([rowOf("9")], true);

  expect(await listSeen(ports, {}, { limit: 10 })).toMatchObject({
    items: [{ state: "queued" }],
    isProgressKnown: false,
  });
  const asked = listSeen(ports, {}, { status: "in_progress", limit: 10 });
  expect(await asked.catch((error: unknown) => (error as Fault).code)).toBe("QUOTA_UNAVAILABLE");
});
