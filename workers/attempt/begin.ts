import { judgeArrival } from "../../core/attempt/arrival.ts";
import { parkDelay } from "../../core/attempt/delay.ts";
import type { StartHints } from "../../core/attempt/start.ts";
import type { OwnedDelivery } from "../deliveries/owned.ts";
import type { WorkerConfig, WorkerPorts } from "../ports.ts";
import type { Conclusions } from "./conclude.ts";

const NO_HINTS: StartHints = { cancelled: false, crashes: 0 };

/**
 * Opens the turn of a delivery: marks its start and returns when that was, Unix milliseconds. Returns null
 * when it has ended what must not run (cancelled, expired, poison, model removed) or put off what cannot run
 * yet (the model is not known here).
 */
export type BeginTurn = (owned: OwnedDelivery) => Promise<number | null>;

export function createBeginTurn(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "markStarted" | "now" | "random" | "log">,
  conclusions: Conclusions,
): BeginTurn {
  async function markStarted(owned: OwnedDelivery, startedAtMs: number): Promise<StartHints> {
    const { head, attempt } = owned.request;
    const { redelivered } = owned.delivery;
    const { userId, requestId } = head;
    try {
      return await ports.markStarted({ userId, requestId, attempt, startedAtMs, redelivered });
    } catch (error) {
      ports.log.warn({ err: error, request_id: requestId }, "the start was not marked");
      return NO_HINTS;
    }
  }

  const isModelKnown = (owned: OwnedDelivery): boolean =>
    Object.hasOwn(config().models, owned.request.head.model);

  /** Returns true when it has concluded the delivery. */
  async function refuse(owned: OwnedDelivery, hints: StartHints): Promise<boolean> {
    const { head, attempt } = owned.request;
    const { retry, worker } = config();
    const verdict = judgeArrival({
      attempt,
      createdAtMs: head.createdAtMs,
      expiresAtMs: head.expiresAtMs,
      nowMs: ports.now(),
      deliveryCount: owned.delivery.deliveryCount,
      crashes: hints.crashes,
      crashesMax: worker.crashes_max,
      cancelled: hints.cancelled || owned.isCancelled,
      modelKnown: isModelKnown(owned),
    });
    if (verdict.kind === "run") return false;
    if (verdict.kind === "park") {
      ports.log.warn({ request_id: head.requestId, model: head.model }, "a model is not known yet");
      await conclusions.park(owned, parkDelay(retry.delays_ms, worker.park_ms, ports.random()));
      return true;
    }
    const { error } = verdict;
    // The attempt that this delivery stands for counts only if a worker died of it.
    const attempts = hints.crashes > 0 ? attempt : attempt - 1;
    if (verdict.kind === "dead") {
      await conclusions.dead(owned, { attempts, startedAtMs: null }, error);
    } else {
      const nothing = { usage: null, choices: null, startedAtMs: null };
      await conclusions.end(owned, { ...nothing, state: verdict.state, attempts, error });
    }
    return true;
  }

  return async (owned) => {
    // What is known not to start needs no mark. What other workers had before is judged by its crashes as
    // well, which only the mark tells.
    const isJudged = owned.delivery.deliveryCount === 0 || !isModelKnown(owned);
    if (isJudged && (await refuse(owned, NO_HINTS))) return null;
    const startedAtMs = ports.now();
    owned.startedAtMs = startedAtMs;
    const hints = await markStarted(owned, startedAtMs);
    owned.crashes = hints.crashes;
    return (await refuse(owned, hints)) ? null : startedAtMs;
  };
}
