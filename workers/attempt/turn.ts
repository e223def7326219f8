import { CANCELLED, CRASHED, PAYLOAD_UNREADABLE } from "../../core/attempt/arrival.ts";
import {
  type FailedVerdict,
  judgeOutcome,
  retryOrDead,
  type RetryPolicy,
} from "../../core/attempt/verdict.ts";
import type { TokenUsage } from "../../core/request/request.ts";
import type { OwnedDelivery } from "../deliveries/owned.ts";
import type { Pass } from "../gates.ts";
import type { WorkerConfig, WorkerPorts } from "../ports.ts";
import { createBeginTurn } from "./begin.ts";
import type { Conclusions } from "./conclude.ts";
import { type AttemptEnd, countUsage, execute } from "./execute.ts";

/** A delivery whose turn has come. */
export interface Turn {
  owned: OwnedDelivery;
  pass: Pass;
}

export interface Turns {
  /**
   * Takes the delivery from its turn to its verdict. Whatever it throws is a bug; the delivery is then still
   * owned.
   */
  run: (turn: Turn) => Promise<void>;
  /**
   * For a turn that `run` threw on: it counts as an attempt, so that a bug that one request triggers ends
   * with that request.
   */
  recover: (turn: Turn) => Promise<void>;
}

export function createTurns(
  config: () => WorkerConfig,
  ports: WorkerPorts,
  conclusions: Conclusions,
): Turns {
  const begin = createBeginTurn(config, ports, conclusions);

  function retryPolicy(): RetryPolicy {
    const { attempts_max: attemptsMax, delays_ms: delaysMs } = config().retry;
    return { attemptsMax, delaysMs };
  }

  function countVerdict(owned: OwnedDelivery, verdict: "done" | "retry" | "dead"): void {
    ports.metrics.worker_attempts_total.add(1, owned.request.head.model, verdict);
  }

  async function carryOut(
    owned: OwnedDelivery,
    end: AttemptEnd,
    startedAtMs: number,
  ): Promise<void> {
    const attempts = owned.request.attempt;
    switch (end.kind) {
      case "broken off":
        return conclusions.giveBack(owned);
      case "unreadable":
        return carryOutFailure(owned, { kind: "dead", error: PAYLOAD_UNREADABLE }, startedAtMs);
      case "cancelled": {
        const { executed } = end;
        const usage = executed === null ? null : await countUsage(executed, [], ports.countTokens);
        const ending = { state: "cancelled", error: CANCELLED, choices: null } as const;
        return conclusions.end(owned, { ...ending, attempts, startedAtMs, usage });
      }
      case "outcome": {
        const verdict = judgeOutcome(end.outcome, attempts, retryPolicy(), ports.random());
        if (verdict.kind !== "done") return carryOutFailure(owned, verdict, startedAtMs);
        countVerdict(owned, "done");
        const { choices } = verdict;
        const usage: TokenUsage =
          verdict.usage === null
            ? await countUsage(end.payload, choices, ports.countTokens)
            : { ...verdict.usage, source: "reported" };
        const ending = { state: "completed", error: null } as const;
        return conclusions.end(owned, { ...ending, attempts, startedAtMs, usage, choices });
      }
    }
  }

  function carryOutFailure(
    owned: OwnedDelivery,
    verdict: FailedVerdict,
    startedAtMs: number | null,
  ): Promise<void> {
    countVerdict(owned, verdict.kind);
    if (verdict.kind === "retry") return conclusions.retry(owned, verdict.delay);
    return conclusions.dead(owned, { attempts: owned.request.attempt, startedAtMs }, verdict.error);
  }

  return {
    async run({ owned, pass }) {
      const startedAtMs = await begin(owned);
      if (startedAtMs === null) return;
      const modelConfig = config().models[owned.request.head.model];
      if (!pass.mayCall || modelConfig === undefined) {
        // The configuration has changed since the turn began: the next delivery is judged by the new one.
        await conclusions.giveBack(owned);
        return;
      }
      ports.reach("W1");
      await carryOut(owned, await execute(owned, modelConfig, pass, ports), startedAtMs);
    },
    async recover({ owned }) {
      if (owned.brokenOff.signal.aborted) return conclusions.giveBack(owned);
      const { attempt } = owned.request;
      const verdict = retryOrDead(CRASHED, attempt, null, retryPolicy(), ports.random());
      return carryOutFailure(owned, verdict, null);
    },
  };
}
