import { judgeArrival } from "../core/attempt/arrival.ts";
import { parkDelay } from "../core/attempt/delay.ts";
import type { Conclusions } from "./conclude.ts";
import type { Held } from "./held.ts";
import type { StartHints } from "../core/attempt/start.ts";
import type { WorkerConfig, WorkerPorts } from "./ports.ts";

const NO_HINTS: StartHints = { cancelled: false, crashes: 0 };

/**
 * Opens the turn of a delivery: marks its start and answers when that was, Unix milliseconds; or answers null after it ended what must not
 * run (cancelled, expired, poison, model removed) or put off what cannot run yet (model not known here).
 */
export type BeginTurn = (held: Held) => Promise<number | null>;

export function createBeginTurn(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "markStarted" | "now" | "random" | "log">,
  conclusions: Conclusions,
): BeginTurn {
  async function markStarted(held: Held, startedAtMs: number): Promise<StartHints> {
    const { head, attempt } = held.request;
    const { redelivered } = held.delivery;
    const { userId, requestId } = head;
    try {
      return await ports.markStarted({ userId, requestId, attempt, startedAtMs, redelivered });
    } catch (error) {
      ports.log.warn({ err: error, request_id: requestId }, "the start was not marked");
      return NO_HINTS;
    }
  }

  const isModelKnown = (held: Held): boolean =>
    Object.hasOwn(config().models, held.request.head.model);

  /** Answers whether it has concluded the delivery. */
  async function refuse(held: Held, hints: StartHints): Promise<boolean> {
    const { head, attempt } = held.request;
    const { retry, worker } = config();
    const verdict = judgeArrival({
      attempt,
      createdAtMs: head.createdAtMs,
      expiresAtMs: head.expiresAtMs,
      nowMs: ports.now(),
      deliveryCount: held.delivery.deliveryCount,
      crashes: hints.crashes,
      crashesMax: worker.crashes_max,
      cancelled: hints.cancelled || held.isCancelled,
      modelKnown: isModelKnown(held),
    });
    if (verdict.kind === "run") return false;
    if (verdict.kind === "park") {
      ports.log.warn({ request_id: head.requestId, model: head.model }, "a model is not known yet");
      await conclusions.park(held, parkDelay(retry.delays_ms, worker.park_ms, ports.random()));
      return true;
    }
    const { error } = verdict;
    // The attempt that this delivery stands for counts only if a worker died of it.
    const attempts = hints.crashes > 0 ? attempt : attempt - 1;
    if (verdict.kind === "dead") {
      await conclusions.dead(held, { attempts, startedAtMs: null }, error);
    } else {
      const nothing = { usage: null, choices: null, startedAtMs: null };
      await conclusions.end(held, { ...nothing, state: verdict.state, attempts, error });
    }
    return true;
  }

  return async (held) => {
    // What is known not to start needs no mark; what others held before is judged by its crashes as well.
    const isJudged = held.delivery.deliveryCount === 0 || !isModelKnown(held);
    if (isJudged && (await refuse(held, NO_HINTS))) return null;
    const startedAtMs = ports.now();
    held.startedAtMs = startedAtMs;
    const hints = await markStarted(held, startedAtMs);
    held.crashes = hints.crashes;
    return (await refuse(held, hints)) ? null : startedAtMs;
  };
}
