import { expect, test } from "bun:test";

import type { OperatorAction } from "../../adapters/postgres/operator-actions.ts";
import type { OpenRequest } from "../../adapters/postgres/search-requests.ts";
import type { Finish } from "../../core/request/finish.ts";
import type { Settlement } from "../../core/quota/quota.ts";
import { type CancelOrder, type CancelPorts, cancelRequests } from "./cancel-requests.ts";

const ORDER: CancelOrder = { actor: "ops@desk", reason: "flood", detail: {}, which: "all" };

const requestOf = (requestId: string): OpenRequest => ({ requestId, userId: "u", model: "m" });

/** A system in which some requests are executed, some have ended, and some start as they are looked at. */
function world({
  running = [],
  ended = [],
  startsWhenMarked = [],
}: Partial<Record<"running" | "ended" | "startsWhenMarked", string[]>> = {}) {
  const started = new Set(running);
  const steps: string[] = [];
  const noted: OperatorAction[] = [];
  const finished: Finish[] = [];
  const settled: Settlement[] = [];
  const deleted: string[] = [];
  const told: string[] = [];
  const announced: string[] = [];
  const ports: CancelPorts = {
    now: () => 1_000,
    noteActions: async (actions) => {
      steps.push("note");
      noted.push(...actions);
    },
    readHints: async (requests) =>
      requests.map(({ requestId }) => ({
        started: started.has(requestId) ? { attempt: 1, startedAtMs: 1 } : undefined,
        attemptsMade: 2,
      })),
    markCancelled: async ({ requestId }) => {
      steps.push("mark");
      if (startsWhenMarked.includes(requestId)) started.add(requestId);
    },
    announceCancel: async (requestId) => void told.push(requestId),
    finishRequests: async (finishes) => {
      steps.push("end");
      finished.push(...finishes);
      return finishes.map(({ requestId }) => ({
        requestId,
        moved: !ended.includes(requestId),
        state: "cancelled" as const,
        userId: "u",
        windowDay: "2026-11-27",
        estimatedTokens: 10,
        billedTokens: 0,
        failedExecutions: 2,
      }));
    },
    settle: async (settlements) => {
      steps.push("settle");
      settled.push(...settlements);
    },
    announceFinished: async (ids) => void announced.push(...ids),
    deleteParked: async (ids) => {
      steps.push("unpark");
      deleted.push(...ids);
    },
  };
  return { ports, steps, noted, finished, settled, deleted, told, announced };
}

test("what waits ends as cancelled, settled once by the ledger, and is no longer parked", async () => {
  const { ports, finished, settled, deleted, announced } = world();

  const counts = await cancelRequests(ports, ["a", "b"].map(requestOf), ORDER);

  expect(counts).toEqual({ cancelled: 2, stopping: 0, spared: 0, ended: 0 });
  expect(finished).toMatchObject([
    { requestId: "a", state: "cancelled", attempts: 2, usage: null, error: { code: "CANCELLED" } },
    { requestId: "b", state: "cancelled" },
  ]);
  expect(settled).toEqual(
    ["a", "b"].map((requestId) => ({
      userId: "u",
      requestId,
      billedTokens: 0,
      failedExecutions: 2,
      expectHold: true,
    })),
  );
  expect({ deleted, announced }).toEqual({ deleted: ["a", "b"], announced: ["a", "b"] });
});

test("what a worker executes is told to break off, and ends by its own result", async () => {
  const { ports, finished, told, deleted } = world({ running: ["b"] });

  const counts = await cancelRequests(ports, ["a", "b"].map(requestOf), ORDER);

  expect(counts).toEqual({ cancelled: 1, stopping: 1, spared: 0, ended: 0 });
  expect(finished.map(({ requestId }) => requestId)).toEqual(["a"]);
  expect({ told, deleted }).toEqual({ told: ["a", "b"], deleted: ["a"] });
});

test("a request that starts just before its mark is left to its worker", async () => {
  const { ports, finished, told } = world({ startsWhenMarked: ["a"] });

  const counts = await cancelRequests(ports, [requestOf("a")], { ...ORDER, which: "waiting" });

  expect(counts).toMatchObject({ cancelled: 0, stopping: 1 });
  expect({ finished, told }).toEqual({ finished: [], told: ["a"] });
});

test.each([
  ["waiting", { cancelled: 1, stopping: 0, spared: 1, ended: 0 }, ["a"]],
  ["running", { cancelled: 0, stopping: 1, spared: 1, ended: 0 }, ["b"]],
] as const)(
  "of %s requests only, the others are neither marked nor noted",
  async (which, counts, meant) => {
    const { ports, noted, told } = world({ running: ["b"] });

    expect(await cancelRequests(ports, ["a", "b"].map(requestOf), { ...ORDER, which })).toEqual(
      counts,
    );

    expect(noted.map(({ target }) => target)).toEqual([...meant]);
    expect(told).toEqual([...meant]);
  },
);

test("one that ended meanwhile is counted as that, settled again, and not announced", async () => {
  const { ports, settled, announced } = world({ ended: ["a"] });

  const counts = await cancelRequests(ports, [requestOf("a")], ORDER);

  expect(counts).toEqual({ cancelled: 0, stopping: 0, spared: 0, ended: 1 });
  expect(settled).toMatchObject([{ requestId: "a", expectHold: false }]);
  expect(announced).toEqual([]);
});

test("each is noted with who, what and why before anything is done to it", async () => {
  const { ports, steps, noted } = world();

  await cancelRequests(ports, [requestOf("a")], ORDER);

  expect(steps).toEqual(["note", "mark", "end", "settle", "unpark"]);
  expect(noted).toEqual([
    {
      actor: "ops@desk",
      reason: "flood",
      action: "request.cancel",
      target: "a",
      detail: { user_id: "u", model: "m" },
    },
  ]);
});
