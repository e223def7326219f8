import { judgeArrival } from "../../core/attempt/arrival.ts";
import { errorOfTrouble } from "../../core/attempt/outcome.ts";
import type { StartHints } from "../../core/attempt/start.ts";
import type { RequestError } from "../../core/request/request.ts";
import type { OwnedDelivery } from "../deliveries/owned.ts";
import type { Health } from "../health/health.ts";
import type { Pass } from "../gates.ts";
import { modelOf, type WorkerConfig, type WorkerPorts } from "../ports.ts";
import type { Conclusions } from "./conclude.ts";
import type { CountPutOff } from "./put-off-log.ts";

const NO_HINTS: StartHints = { cancelled: false, crashes: 0 };

/**
 * Opens the turn of a delivery: marks its start and returns when that was, Unix milliseconds. Returns null
 * when it has ended what must not run (cancelled, expired, poison), put off what cannot run yet (its user is
 * paused, its model not known here) or handed over what may run elsewhere.
 */
export type BeginTurn = (owned: OwnedDelivery, pass: Pass) => Promise<number | null>;

/** Why a delivery cannot run now, and what becomes of it. */
type Obstacle =
  | { kind: "put_off"; why: "model_removed" | "user_paused"; error: RequestError | null }
  | { kind: "move_on" };

export interface BeginNeighbours {
  conclusions: Pick<Conclusions, "dead" | "end" | "putOff" | "moveOn">;
  health: Pick<Health, "leave" | "of">;
  countPutOff: CountPutOff;
}

export function createBeginTurn(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "markStarted" | "now" | "log">,
  { conclusions, health, countPutOff }: BeginNeighbours,
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

  /** Returns true when it has concluded the delivery. */
  async function refuse(owned: OwnedDelivery, hints: StartHints): Promise<boolean> {
    const { head, attempt } = owned.request;
    const verdict = judgeArrival({
      attempt,
      expiresAtMs: head.expiresAtMs,
      nowMs: ports.now(),
      deliveryCount: owned.delivery.deliveryCount,
      crashes: hints.crashes,
      crashesMax: config().worker.crashes_max,
      cancelled: hints.cancelled || owned.isCancelled,
    });
    if (verdict.kind === "run") return false;
    const { error } = verdict;
    // The attempt that this delivery stands for counts only if a worker died of it.
    const attempts = hints.crashes > 0 ? attempt : attempt - 1;
    if (verdict.kind === "dead") {
      await conclusions.dead(owned, { attempts, startedAtMs: null }, error);
    } else {
      const nothing = { usage: null, result: null, startedAtMs: null };
      await conclusions.end(owned, { ...nothing, state: verdict.state, attempts, error });
    }
    return true;
  }

  /** null: it may be called. */
  async function findObstacle(owned: OwnedDelivery, pass: Pass): Promise<Obstacle | null> {
    const { model, userId } = owned.request.head;
    if (modelOf(config(), model) === undefined) {
      return { kind: "put_off", why: "model_removed", error: null };
    }
    if (pass.isProbe) return null;
    const leave = health.leave(model, userId).kind;
    // What the turn was given by has changed: it is judged anew.
    if (leave === "model_paused" || (leave !== "user_paused" && !pass.hasPlace)) {
      return { kind: "move_on" };
    }
    if (leave === "go") return null;
    if (leave === "probe" && (await pass.takeUserTrial())) return null;
    const { trouble, message } = health.of(model).users[userId] ?? {};
    const error = trouble === undefined ? null : errorOfTrouble(trouble, message ?? "");
    return { kind: "put_off", why: "user_paused", error };
  }

  async function giveWay(owned: OwnedDelivery, pass: Pass, obstacle: Obstacle): Promise<void> {
    pass.leavePlace();
    if (obstacle.kind === "move_on") return conclusions.moveOn(owned);
    countPutOff(owned.request.head, obstacle.why, obstacle.error);
    return conclusions.putOff(owned, obstacle.error);
  }

  return async (owned, pass) => {
    // What is known not to start needs no mark. What other workers had before is judged by its crashes as
    // well, which only the mark tells.
    const isNew = owned.delivery.deliveryCount === 0;
    if (isNew && (await refuse(owned, NO_HINTS))) return null;
    const obstacle = await findObstacle(owned, pass);
    if (obstacle !== null) {
      if (isNew || !(await refuse(owned, NO_HINTS))) await giveWay(owned, pass, obstacle);
      return null;
    }
    const startedAtMs = ports.now();
    owned.startedAtMs = startedAtMs;
    const hints = await markStarted(owned, startedAtMs);
    owned.crashes = hints.crashes;
    return (await refuse(owned, hints)) ? null : startedAtMs;
  };
}
