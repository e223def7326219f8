import { judgeArrival } from "../core/worker/arrival.ts";
import type { Conclusions } from "./conclude.ts";
import type { Held } from "./held.ts";
import type { StartHints, WorkerConfig, WorkerPorts } from "./ports.ts";

const NO_HINTS: StartHints = { cancelled: false, crashes: 0 };

/**
 * Opens the turn of a delivery: marks its start and answers when that was, Unix milliseconds; or ends what must not run (cancelled,
 * expired, poison, model removed) and answers null.
 */
export type BeginTurn = (held: Held) => Promise<number | null>;

export function createBeginTurn(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "markStarted" | "now" | "log">,
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

  /** Answers whether it has ended the delivery. */
  async function refuse(held: Held, hints: StartHints): Promise<boolean> {
    const { head, attempt } = held.request;
    const { models, worker } = config();
    const verdict = judgeArrival({
      attempt,
      expiresAtMs: head.expiresAtMs,
      nowMs: ports.now(),
      deliveryCount: held.delivery.deliveryCount,
      crashes: hints.crashes,
      crashesMax: worker.crashes_max,
      cancelled: hints.cancelled || held.isCancelled,
      modelKnown: Object.hasOwn(models, head.model),
    });
    if (verdict.kind === "run") return false;
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
    // What is known to be over needs no mark; what others held before is judged by its crashes as well.
    if (held.delivery.deliveryCount === 0 && (await refuse(held, NO_HINTS))) return null;
    const startedAtMs = ports.now();
    const hints = await markStarted(held, startedAtMs);
    return (await refuse(held, hints)) ? null : startedAtMs;
  };
}
