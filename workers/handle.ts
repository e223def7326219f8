import { CANCELLED, CRASHED, PAYLOAD_UNREADABLE } from "../core/attempt/arrival.ts";
import {
  type FailedVerdict,
  judgeOutcome,
  retryOrDead,
  type RetryPolicy,
} from "../core/attempt/verdict.ts";
import type { TokenUsage } from "../core/request.ts";
import { createBeginTurn } from "./begin.ts";
import type { Conclusions } from "./conclude.ts";
import { type Attempt, countUsage, execute } from "./execute.ts";
import type { Held } from "./held.ts";
import type { Pass } from "./model-gate.ts";
import type { WorkerConfig, WorkerPorts } from "./ports.ts";

/** A delivery whose turn has come. No pass: it only has to be ended. */
export interface Turn {
  held: Held;
  pass: Pass | null;
}

export interface TurnHandler {
  /** From the turn to the ack. Whatever it throws is a bug; the delivery is then still held. */
  run: (turn: Turn) => Promise<void>;
  /** After `run` threw: counts as an attempt, so that a bug that one request triggers ends with that request. */
  recover: (turn: Turn) => Promise<void>;
}

export function createTurnHandler(
  config: () => WorkerConfig,
  ports: WorkerPorts,
  conclusions: Conclusions,
): TurnHandler {
  const begin = createBeginTurn(config, ports, conclusions);

  function retryPolicy(): RetryPolicy {
    const { attempts_max: attemptsMax, delays_ms: delaysMs } = config().retry;
    return { attemptsMax, delaysMs };
  }

  function countVerdict(held: Held, verdict: "done" | "retry" | "dead"): void {
    ports.metrics.worker_attempts_total.add(1, held.request.head.model, verdict);
  }

  async function carryOut(held: Held, attempt: Attempt, startedAtMs: number): Promise<void> {
    const attempts = held.request.attempt;
    switch (attempt.kind) {
      case "given back":
        return conclusions.giveBack(held);
      case "unreadable":
        return carryOutFailure(held, { kind: "dead", error: PAYLOAD_UNREADABLE }, startedAtMs);
      case "cancelled": {
        const { executed } = attempt;
        const usage = executed === null ? null : await countUsage(executed, [], ports.countTokens);
        const ending = { state: "cancelled", error: CANCELLED, choices: null } as const;
        return conclusions.end(held, { ...ending, attempts, startedAtMs, usage });
      }
      case "outcome": {
        const verdict = judgeOutcome(attempt.outcome, attempts, retryPolicy(), ports.random());
        if (verdict.kind !== "done") return carryOutFailure(held, verdict, startedAtMs);
        countVerdict(held, "done");
        const { choices } = verdict;
        const usage: TokenUsage =
          verdict.usage === null
            ? await countUsage(attempt.payload, choices, ports.countTokens)
            : { ...verdict.usage, source: "reported" };
        const ending = { state: "completed", error: null } as const;
        return conclusions.end(held, { ...ending, attempts, startedAtMs, usage, choices });
      }
    }
  }

  function carryOutFailure(
    held: Held,
    verdict: FailedVerdict,
    startedAtMs: number | null,
  ): Promise<void> {
    countVerdict(held, verdict.kind);
    if (verdict.kind === "retry") return conclusions.retry(held, verdict.delay);
    return conclusions.dead(held, { attempts: held.request.attempt, startedAtMs }, verdict.error);
  }

  return {
    async run({ held, pass }) {
      const startedAtMs = await begin(held);
      if (startedAtMs === null) return;
      const modelConfig = config().models[held.request.head.model];
      if (pass === null || modelConfig === undefined) {
        // The configuration changed since the turn began: the next delivery is judged by the new one.
        await conclusions.giveBack(held);
        return;
      }
      ports.reach("W1");
      await carryOut(held, await execute(held, modelConfig, pass, ports), startedAtMs);
    },
    async recover({ held }) {
      if (held.giveBack.signal.aborted) return conclusions.giveBack(held);
      const { attempt } = held.request;
      const verdict = retryOrDead(CRASHED, attempt, null, retryPolicy(), ports.random());
      return carryOutFailure(held, verdict, null);
    },
  };
}
