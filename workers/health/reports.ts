import { type InferenceOutcome, troubleOf } from "../../core/attempt/outcome.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import {
  afterSuccess,
  afterTrouble,
  type DatedHealth,
  type HealthPolicy,
  isHealthy,
  type ModelHealth,
} from "../../core/queue/model-health.ts";
import { modelOf, type WorkerConfig, type WorkerPorts } from "../ports.ts";
import type { Health } from "./health.ts";

/** What a call of an ML service showed. */
export interface CallReport {
  model: string;
  userId: string;
  outcome: InferenceOutcome;
  /** From the start of the call to its end. */
  tookMs: number;
  trial: Trial;
}

/** Whom the call tried for everybody: a paused model, or a user whose requests are tried one at a time. */
export type Trial = "model" | "user" | null;

/** Tells what a call showed: what starts here next knows at once, the other workers a moment later. */
export type ReportCall = (call: CallReport) => void;

/** That a user's calls succeed is told at most so often, unless it ends trouble of theirs. */
const WELL_TOLD_MS = 1_000;
/** Users of whom that was told lately: more than one worker serves within that time. */
const WELL_TOLD_MAX = 5_000;
/** Reports of one model under way to Redis: in a flood of failures a few of them tell the same. */
const UNDER_WAY_MAX = 16;

export function createReports(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "now">,
  health: Pick<Health, "of" | "changeSoon">,
): ReportCall {
  const underWay = new Map<string, number>();
  const wellToldMs = new Map<string, number>();

  function isWorthTelling({ model, userId, outcome, trial }: CallReport): boolean {
    if (trial !== null) return true;
    if ((underWay.get(model) ?? 0) >= UNDER_WAY_MAX) return false;
    const known = health.of(model);
    if (troubleOf(outcome) !== null || Object.hasOwn(known.users, userId)) return true;
    // Who is well says something only while somebody is not.
    return !isHealthy(known) && isWellToldAgain(`${model} ${userId}`);
  }

  function isWellToldAgain(key: string): boolean {
    const nowMs = ports.now();
    if (nowMs - (wellToldMs.get(key) ?? 0) < WELL_TOLD_MS) return false;
    if (wellToldMs.size >= WELL_TOLD_MAX) wellToldMs.clear();
    wellToldMs.set(key, nowMs);
    return true;
  }

  async function tell(model: string, judge: (now: DatedHealth) => ModelHealth): Promise<void> {
    underWay.set(model, (underWay.get(model) ?? 0) + 1);
    await health.changeSoon(model, judge);
    underWay.set(model, (underWay.get(model) ?? 1) - 1);
  }

  return (call) => {
    const modelConfig = modelOf(config(), call.model);
    if (modelConfig !== undefined && isWorthTelling(call)) {
      void tell(call.model, judgeOf(call, policyOf(modelConfig)));
    }
  };
}

function judgeOf(
  { userId, outcome, tookMs, trial }: CallReport,
  policy: HealthPolicy,
): (now: DatedHealth) => ModelHealth {
  const isProbe = trial === "model";
  const trouble = troubleOf(outcome);
  if (outcome.ok || trouble === null) {
    return ({ health, atMs }) => afterSuccess(health, { userId, isProbe }, atMs);
  }
  const { message, retryAfterMs } = outcome;
  const event = { trouble, userId, message, tookMs, retryAfterMs, isProbe };
  return ({ health, atMs }) => afterTrouble(health, event, atMs, policy);
}

const policyOf = (config: ModelConfig): HealthPolicy => ({
  failuresMax: config.breaker_failures,
  pauseFirstMs: config.breaker_open_ms,
  pauseMaxMs: config.breaker_open_max_ms,
});
