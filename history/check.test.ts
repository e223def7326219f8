import { describe, expect, test } from "bun:test";

import type { AuditReport } from "../core/audit/run-audit.ts";
import { simulatedAnswer } from "./simulated-answer.ts";
import { checkRun, type Violation, violationsOf } from "./check.ts";
import type { Facts } from "./facts.ts";
import { LOAD_MAX_TOKENS } from "./load.ts";
import { endOf, type Operation } from "./operations.ts";

const PROMPT = "load 0";
const answer = simulatedAnswer(PROMPT, LOAD_MAX_TOKENS);
const tokens = answer.promptTokens + answer.completionTokens;

const audit: AuditReport = {
  isConsistent: true,
  users: 1,
  usersNotLoaded: 0,
  requests: null,
  differences: [],
  differencesTotal: 0,
  driftTokens: 0,
  holdsOpen: 0,
  usersRepaired: 0,
};

/** One request that was acknowledged, read, completed and billed, and nothing else. */
function goodRun(): { operation: Operation; facts: Facts } {
  return {
    operation: {
      op: 0,
      key: "key",
      userId: "ada",
      prompt: PROMPT,
      group: "all",
      acknowledged: new Set(["r1"]),
      unknownCalls: 0,
      refusals: 0,
      ends: new Set([endOf("completed", tokens, answer.text)]),
      calledAtMs: 0,
    },
    facts: {
      requests: [
        {
          requestId: "r1",
          userId: "ada",
          model: "m",
          state: "completed",
          attempts: 1,
          totalTokens: tokens,
          errorCode: null,
          createdAtMs: 1_000,
          completedAtMs: 1_200,
          keyHash: "ada key",
        },
      ],
      ledger: [
        {
          requestId: "r1",
          promptTokens: answer.promptTokens,
          completionTokens: answer.completionTokens,
          executions: 1,
          failedExecutions: 0,
        },
      ],
      audit,
      holdsLeft: 0,
      depths: { inference_requests: 0, "inference_requests.dead": 3 },
      simulator: {
        calls: 1,
        answered: 1,
        prompt_tokens: answer.promptTokens,
        completion_tokens: answer.completionTokens,
        refused_busy: 0,
        abandoned: 0,
        faults: {},
      },
      hashOfKey: (userId, key) => `${userId} ${key}`,
    },
  };
}

type Run = ReturnType<typeof goodRun>;

function violationsAfter(spoil: (run: Run) => void): Violation[] {
  const run = goodRun();
  spoil(run);
  const expectations = { waits: { all: { msMax: 500, p50MsMax: 300 } }, shares: [] };
  return violationsOf(checkRun(new Map([[0, run.operation]]), run.facts, expectations));
}

function only<Item>(items: Item[]): Item {
  const [item] = items;
  if (item === undefined) throw new Error("there is none");
  return item;
}

test("a good run passes", () => {
  expect(violationsAfter(() => {})).toEqual([]);
});

test("a request that failed after executions passes with a row that has no tokens", () => {
  const { operation, facts } = goodRun();
  operation.ends = new Set([endOf("failed", null, null)]);
  Object.assign(only(facts.requests), { state: "failed", attempts: 3, totalTokens: null });
  const free = { promptTokens: 0, completionTokens: 0 };
  Object.assign(only(facts.ledger), { ...free, executions: 3, failedExecutions: 3 });

  expect(violationsOf(checkRun(new Map([[0, operation]]), facts))).toEqual([]);
});

test("a request whose client never learnt of it counts as recovered", () => {
  const { operation, facts } = goodRun();
  operation.acknowledged.clear();
  operation.unknownCalls = 1;

  const report = checkRun(new Map([[0, operation]]), facts);

  expect(violationsOf(report)).toEqual([]);
  expect(report.recovered).toBe(1);
});

const SPOILT: readonly { what: string; spoil: (run: Run) => void; found: Violation[] }[] = [
  {
    what: "an acknowledged request without a row",
    spoil: ({ facts }) => {
      facts.requests = [];
      facts.ledger = [];
    },
    found: ["lost", "changed", "late"],
  },
  {
    what: "a request that never ends",
    spoil: ({ operation, facts }) => {
      operation.ends.clear();
      only(facts.requests).state = "queued";
      facts.ledger = [];
    },
    found: ["lost"],
  },
  {
    what: "two ids for one key",
    spoil: ({ operation }) => void operation.acknowledged.add("r2"),
    found: ["lost", "duplicated"],
  },
  {
    what: "a row that nobody asked for",
    spoil: ({ facts }) => {
      facts.requests.push({
        ...only(facts.requests),
        requestId: "r2",
        keyHash: null,
        state: "failed",
        attempts: 0,
      });
    },
    found: ["unexpected"],
  },
  {
    what: "a refused request that was stored",
    spoil: ({ operation }) => {
      operation.acknowledged.clear();
      operation.refusals = 1;
    },
    found: ["unexpected"],
  },
  {
    what: "a request that is billed twice",
    spoil: ({ facts }) => void facts.ledger.push(only(facts.ledger)),
    found: ["misbilled"],
  },
  {
    what: "a completed request that is not billed",
    spoil: ({ facts }) => {
      facts.ledger = [];
    },
    found: ["misbilled"],
  },
  {
    what: "a failed request that is billed",
    spoil: ({ operation, facts }) => {
      operation.ends.clear();
      only(facts.requests).state = "failed";
    },
    found: ["misbilled"],
  },
  {
    what: "a failed request that was executed and is not in the ledger",
    spoil: ({ operation, facts }) => {
      operation.ends.clear();
      only(facts.requests).state = "failed";
      facts.ledger = [];
    },
    found: ["misbilled"],
  },
  {
    what: "a failed request whose executions are not counted as failed",
    spoil: ({ operation, facts }) => {
      operation.ends.clear();
      only(facts.requests).state = "failed";
      Object.assign(only(facts.ledger), { promptTokens: 0, completionTokens: 0 });
    },
    found: ["misbilled"],
  },
  {
    what: "an amount that the ML service did not report",
    spoil: ({ facts }) => {
      only(facts.ledger).completionTokens += 1;
    },
    found: ["misbilled"],
  },
  {
    what: "a bill of no request",
    spoil: ({ facts }) => {
      facts.ledger.push({ ...only(facts.ledger), requestId: "r9" });
    },
    found: ["misbilled"],
  },
  {
    what: "a terminal state that changed after it was read",
    spoil: ({ operation }) => void operation.ends.add(endOf("failed", null, null)),
    found: ["changed"],
  },
  {
    what: "a result of another prompt",
    spoil: ({ operation }) => {
      operation.ends = new Set([endOf("completed", tokens, "somebody else's")]);
    },
    found: ["changed"],
  },
  {
    what: "a request that failed because its ML service was away",
    spoil: ({ operation, facts }) => {
      operation.ends.clear();
      facts.ledger = [];
      const end = { state: "failed", attempts: 0, errorCode: "UPSTREAM_UNREACHABLE" } as const;
      Object.assign(only(facts.requests), end);
    },
    found: ["impatient"],
  },
  {
    what: "a request that expired although it may wait for a day",
    spoil: ({ operation, facts }) => {
      operation.ends.clear();
      facts.ledger = [];
      Object.assign(only(facts.requests), { state: "expired", errorCode: "EXPIRED" });
    },
    found: ["impatient"],
  },
  {
    what: "a request that took longer than it may",
    spoil: ({ facts }) => {
      only(facts.requests).completedAtMs = 1_501;
    },
    found: ["late"],
  },
  {
    what: "a group of which half took longer than it may",
    spoil: ({ facts }) => {
      only(facts.requests).completedAtMs = 1_301;
    },
    found: ["late"],
  },
  {
    what: "a group of which nothing has ended, so that its bound says nothing",
    spoil: ({ operation }) => {
      operation.group = null;
    },
    found: ["late"],
  },
  {
    what: "books that do not agree",
    spoil: ({ facts }) => {
      facts.audit = { ...audit, driftTokens: 7 };
    },
    found: ["driftTokens"],
  },
  {
    what: "a hold that is left",
    spoil: ({ facts }) => {
      facts.holdsLeft = 1;
    },
    found: ["holdsLeft"],
  },
  {
    what: "a message that is left in a queue",
    spoil: ({ facts }) => {
      facts.depths["inference_results"] = 1;
    },
    found: ["messagesLeft"],
  },
];

describe("the checker finds", () => {
  for (const { what, spoil, found } of SPOILT)
    test(what, () => {
      expect(violationsAfter(spoil)).toEqual(found);
    });
});
