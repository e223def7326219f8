import { CANCELLED, CRASHED, PAYLOAD_UNREADABLE } from "../../core/attempt/arrival.ts";
import {
  type FailedVerdict,
  judgeOutcome,
  retryOrDead,
  type RetryPolicy,
} from "../../core/attempt/verdict.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import type { ReportedUsage } from "../../core/attempt/outcome.ts";
import type { InferenceResult } from "../../core/request/payload.ts";
import type { TokenUsage } from "../../core/request/request.ts";
import type { OwnedDelivery } from "../deliveries/owned.ts";
import type { Pass } from "../gates.ts";
import { modelOf, type WorkerConfig, type WorkerPorts } from "../ports.ts";
import { type BeginNeighbours, createBeginTurn } from "./begin.ts";
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
  neighbours: BeginNeighbours & { conclusions: Conclusions },
): Turns {
  const { conclusions, countPutOff } = neighbours;
  const begin = createBeginTurn(config, ports, neighbours);

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
    modelConfig: ModelConfig,
    startedAtMs: number,
  ): Promise<void> {
    const attempts = owned.request.attempt;
    switch (end.kind) {
      case "broken off":
        return conclusions.giveBack(owned);
      case "unreadable":
        countVerdict(owned, "dead");
        return conclusions.dead(owned, { attempts: attempts - 1, startedAtMs }, PAYLOAD_UNREADABLE);
      case "cancelled": {
        const { executed } = end;
        const usage =
          executed === null
            ? null
            : await countUsage(executed.payload, executed.choices, ports, modelConfig);
        const ending = { state: "cancelled", error: CANCELLED, result: null } as const;
        const executions = executed === null ? attempts - 1 : attempts;
        return conclusions.end(owned, { ...ending, attempts: executions, startedAtMs, usage });
      }
      case "outcome": {
        const verdict = judgeOutcome(end.outcome, attempts, retryPolicy(), ports.random());
        if (verdict.kind !== "done") return carryOutFailure(owned, verdict, startedAtMs);
        countVerdict(owned, "done");
        const result = { ...verdict.result, ...detailsOf(verdict.usage) };
        const usage: TokenUsage =
          verdict.usage === null
            ? await countUsage(end.payload, result.choices, ports, modelConfig)
            : { ...verdict.usage, source: "reported" };
        const ending = { state: "completed", error: null } as const;
        return conclusions.end(owned, { ...ending, attempts, startedAtMs, usage, result });
      }
    }
  }

  function carryOutFailure(
    owned: OwnedDelivery,
    verdict: FailedVerdict,
    startedAtMs: number | null,
  ): Promise<void> {
    const { error } = verdict;
    if (verdict.kind === "put_off") {
      countPutOff(owned.request.head, "model_unavailable", error);
      return conclusions.putOff(owned, error);
    }
    countVerdict(owned, verdict.kind);
    const { attempt, head } = owned.request;
    if (verdict.kind === "dead") {
      const { upstream } = verdict;
      return conclusions.dead(owned, { attempts: attempt, startedAtMs }, error, upstream);
    }
    const { requestId, model } = head;
    const { stepMs } = verdict.delay;
    const what = { request_id: requestId, model, attempt, code: error.code, reason: error.message };
    ports.log.info({ ...what, delay_ms: stepMs }, "an attempt failed and is made again");
    // Nobody takes from the queue of a model that was removed.
    if (modelOf(config(), model) === undefined) {
      return conclusions.putOff(owned, error, { isExecuted: true });
    }
    return conclusions.retry(owned, verdict.delay, error);
  }

  return {
    async run({ owned, pass }) {
      const startedAtMs = await begin(owned, pass);
      if (startedAtMs === null) return;
      const modelConfig = modelOf(config(), owned.request.head.model);
      if (modelConfig === undefined) {
        // The configuration has changed since the turn began: the next delivery is judged by the new one.
        await conclusions.giveBack(owned);
        return;
      }
      ports.reach("W1");
      const end = await execute(owned, modelConfig, pass, ports);
      await carryOut(owned, end, modelConfig, startedAtMs);
    },
    async recover({ owned }) {
      if (owned.brokenOff.signal.aborted) return conclusions.giveBack(owned);
      const { attempt } = owned.request;
      const verdict = retryOrDead(CRASHED, attempt, null, retryPolicy(), ports.random());
      return carryOutFailure(owned, verdict, null);
    },
  };
}

function detailsOf(usage: ReportedUsage | null): Pick<InferenceResult, "usage"> {
  const { cachedTokens = 0, reasoningTokens = 0 } = usage ?? {};
  if (cachedTokens === 0 && reasoningTokens === 0) return {};
  return { usage: { cached_tokens: cachedTokens, reasoning_tokens: reasoningTokens } };
}
