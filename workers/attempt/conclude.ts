import { resultTooLarge } from "../../core/attempt/too-large.ts";
import type { Delay } from "../../core/attempt/delay.ts";
import type { UpstreamWords } from "../../core/attempt/outcome.ts";
import type { RequestEnd } from "../../core/request/finish.ts";
import type { InferenceResult } from "../../core/request/payload.ts";
import type { RequestError } from "../../core/request/request.ts";
import { pause } from "../../runtime/schedule.ts";
import type { OwnedDelivery } from "../deliveries/owned.ts";
import type { DeadReason, WorkerPorts } from "../ports.ts";
import { createMarks } from "./marks.ts";
import { createUntilConfirmed, isTooLarge } from "./until-confirmed.ts";

/** The end of a request as its worker knows it, before it is sealed and published. */
export interface Ending extends Omit<RequestEnd, "completedAtMs" | "result"> {
  /** null unless completed. */
  result: InferenceResult | null;
}

/**
 * The ways in which a delivery leaves this worker. Each publishes first, waits for the broker's confirm, and
 * acks last, so that a crash at any line gives a duplicate and never a loss. A publish that fails is repeated
 * until the delivery is broken off; then it goes to another worker.
 */
export interface Conclusions {
  end: (owned: OwnedDelivery, ending: Ending) => Promise<void>;
  /**
   * Ends the request as failed, with what the ML service said of it (sealed; absent: nothing), and puts a
   * copy of its message to the dead letters.
   */
  dead: (
    owned: OwnedDelivery,
    ending: Pick<Ending, "attempts" | "startedAtMs">,
    error: RequestError,
    upstream?: UpstreamWords,
  ) => Promise<void>;
  /** Hands the request over to its next attempt, `delay` later. */
  retry: (owned: OwnedDelivery, delay: Delay, error: RequestError) => Promise<void>;
  /**
   * Hands the request over to the keeper, who has it come again when its model can be called. The attempt
   * stays the same unless it was executed. `error` says why; null: what is known already.
   */
  putOff: (
    owned: OwnedDelivery,
    error: RequestError | null,
    more?: { isExecuted: boolean },
  ) => Promise<void>;
  /** Publishes what never started here as new to the end of its model's queue, where its place is. */
  moveOn: (owned: OwnedDelivery) => Promise<void>;
  /**
   * Hands over to another worker what was broken off here, and clears its mark. The broker gets
   * `GIVE_BACK_MS`.
   */
  giveBack: (owned: OwnedDelivery) => Promise<void>;
  /**
   * Hands over to another worker what never started here. It is published anew, because a requeue counts as a
   * delivery that came to nothing: a few rollouts would make suspects of innocent requests. One try; if that
   * fails, or the delivery is broken off first, it is requeued after all. So is what workers may have died
   * of: a new message would not have the count that tells.
   */
  handOver: (owned: OwnedDelivery) => Promise<void>;
}

type ConcludePorts = Pick<
  WorkerPorts,
  | "publishResult"
  | "publishAgain"
  | "publishPutOff"
  | "publishRetry"
  | "publishDead"
  | "clearStarted"
  | "noteDelayed"
  | "sealResult"
  | "sealErrorDetail"
  | "now"
  | "random"
  | "schedule"
  | "log"
  | "reach"
>;

/**
 * Most of what a drain leaves for it once the grace is over (worker.ts). A broker that is busy confirms
 * within some milliseconds.
 */
const GIVE_BACK_MS = 700;

export function createConclusions(ports: ConcludePorts): Conclusions {
  const { clearStarted, noteDelayed } = createMarks(ports);
  const publishUntilConfirmed = createUntilConfirmed(ports);

  async function publishEnding(owned: OwnedDelivery, ending: Ending): Promise<boolean> {
    const { head } = owned.request;
    const result = ending.result === null ? null : await ports.sealResult(head, ending.result);
    const message = { ...ending, head, result, completedAtMs: ports.now() };
    return publishUntilConfirmed(owned, "result", () => ports.publishResult(message));
  }

  async function giveBack(owned: OwnedDelivery): Promise<void> {
    // Before the publish, as in `retry`.
    if (owned.startedAtMs !== null) {
      await clearStarted(owned, owned.request.attempt - 1, owned.request.lastError ?? null);
    }
    const ended = new AbortController();
    const { lost } = owned.delivery;
    const timeOver = pause(ports.schedule, GIVE_BACK_MS, AbortSignal.any([ended.signal, lost]));
    await handOver(owned, timeOver);
    ended.abort();
  }

  /** If the broker has not confirmed by `timeOver`, the delivery is requeued. */
  async function handOver(owned: OwnedDelivery, timeOver: Promise<void>): Promise<void> {
    const mayBeNew = !owned.isSuspect && owned.crashes === 0 && !owned.delivery.lost.aborted;
    if (mayBeNew && (await publishAgain(owned, timeOver))) owned.delivery.ack();
    else owned.delivery.requeue();
  }

  function publishAgain({ request }: OwnedDelivery, timeOver: Promise<void>): Promise<boolean> {
    const published = ports.publishAgain(request).then(
      () => true,
      (error: unknown) => {
        const { requestId } = request.head;
        ports.log.warn({ err: error, request_id: requestId }, "a request is requeued");
        return false;
      },
    );
    return Promise.race([published, timeOver.then(() => false)]);
  }

  async function passOn(
    owned: OwnedDelivery,
    what: string,
    publish: () => Promise<void>,
  ): Promise<void> {
    if (await publishUntilConfirmed(owned, what, publish)) owned.delivery.ack();
    else owned.delivery.requeue();
  }

  const dead: Conclusions["dead"] = async (owned, { attempts, startedAtMs }, error, upstream) => {
    const { head } = owned.request;
    const { requestId, model } = head;
    const { code } = error;
    ports.log.warn({ request_id: requestId, model, code, attempts }, "request failed");
    const nothing = { usage: null, result: null };
    const detail =
      upstream === undefined ? {} : { errorDetail: await ports.sealErrorDetail(head, upstream) };
    const ending = {
      ...nothing,
      state: "failed",
      attempts,
      startedAtMs,
      error,
      ...detail,
    } as const;
    if (!(await publishEnding(owned, ending))) return giveBack(owned);
    ports.reach("W3");
    const reason = { ...error, ...detail, attempts, diedAtMs: ports.now() };
    return (await publishDead(owned, reason)) ? owned.delivery.ack() : giveBack(owned);
  };

  /** Without its copy among the dead letters a request has ended all the same. */
  async function publishDead(owned: OwnedDelivery, reason: DeadReason): Promise<boolean> {
    try {
      return await publishUntilConfirmed(owned, "dead letter", () =>
        ports.publishDead(owned.request, reason),
      );
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      const { requestId } = owned.request.head;
      ports.log.error({ err: error, request_id: requestId }, "a dead letter is not kept");
      return true;
    }
  }

  return {
    giveBack,
    handOver(owned) {
      const { signal } = owned.brokenOff;
      const timeOver = new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      return handOver(owned, timeOver);
    },
    async end(owned, ending) {
      try {
        if (!(await publishEnding(owned, ending))) return await giveBack(owned);
      } catch (error) {
        if (!isTooLarge(error)) throw error;
        return await dead(owned, ending, resultTooLarge(error.message));
      }
      ports.reach("W3");
      return owned.delivery.ack();
    },
    dead,
    async retry(owned, delay, error) {
      const { attempt } = owned.request;
      // Before the publish: the next attempt may start, and mark so, as soon as the broker has the message.
      await clearStarted(owned, attempt, error);
      await passOn(owned, "retry", async () => {
        // Before the publish, like every mark: afterwards the request may be elsewhere already.
        await noteDelayed(owned, delay);
        const next = { ...owned.request, attempt: attempt + 1, lastError: error };
        await ports.publishRetry(next, delay);
      });
    },
    async putOff(owned, error, { isExecuted } = { isExecuted: false }) {
      const attempt = owned.request.attempt + (isExecuted ? 1 : 0);
      const lastError = error ?? owned.request.lastError ?? null;
      await clearStarted(owned, attempt - 1, lastError);
      const later = { ...owned.request, attempt, ...(lastError && { lastError }) };
      await passOn(owned, "put off", () => ports.publishPutOff(later));
    },
    moveOn: (owned) => passOn(owned, "move", () => ports.publishAgain(owned.request)),
  };
}
