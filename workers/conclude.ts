import type { InferenceChoice } from "../core/payload.ts";
import type { RequestError, TerminalState, TokenUsage } from "../core/request.ts";
import type { Delay } from "../core/attempt/delay.ts";
import { type Backoff, backoffMs } from "../runtime/backoff.ts";
import type { Held } from "./held.ts";
import { pause } from "../runtime/schedule.ts";
import type { WorkerPorts } from "./ports.ts";

/** The end of a request as the worker publishes it. */
export interface Ending {
  state: TerminalState;
  attempts: number;
  startedAtMs: number | null;
  /** null: nothing was executed, nothing is billed. */
  usage: TokenUsage | null;
  error: RequestError | null;
  /** null unless completed. */
  choices: InferenceChoice[] | null;
}

/**
 * The ways a delivery leaves this worker. Each publishes first, waits for the broker's confirm, and acks last, so that a crash at
 * any line gives a duplicate and never a loss. A publish that fails is repeated until the delivery has to be given back.
 */
export interface Conclusions {
  end: (held: Held, ending: Ending) => Promise<void>;
  /** Ends the request as failed and puts a copy of its message to the dead letters. */
  dead: (
    held: Held,
    ending: Pick<Ending, "attempts" | "startedAtMs">,
    error: RequestError,
  ) => Promise<void>;
  /** Hands the request over to its next attempt. */
  retry: (held: Held, delay: Delay) => Promise<void>;
  /** Hands the request over to a later delivery of the same attempt, which has not started. */
  park: (held: Held, delay: Delay) => Promise<void>;
  /** Hands over to another worker what was broken off here, with its start unmarked: at most `HAND_OVER_MS` for the broker. */
  giveBack: (held: Held) => Promise<void>;
  /**
   * Hands over to another worker what never started here. Published anew, because a requeue counts as a delivery that came to nothing:
   * a few rollouts would make suspects of innocent requests. Tried once; if that fails, or the delivery has to be given back first, it
   * is requeued after all. So is what workers may have died of: a new message would not have the count that tells.
   */
  handOver: (held: Held) => Promise<void>;
}

type ConcludePorts = Pick<
  WorkerPorts,
  | "publishResult"
  | "publishAgain"
  | "publishRetry"
  | "publishDead"
  | "clearStarted"
  | "noteDelayed"
  | "sealResult"
  | "now"
  | "random"
  | "schedule"
  | "log"
  | "reach"
>;

/** Most of what a drain leaves for it once the grace is over (worker.ts); a broker that is busy confirms within some milliseconds. */
const HAND_OVER_MS = 700;

/** Between two publishes of the same message. */
const REPUBLISH_BACKOFF: Backoff = { firstMs: 100, longestMs: 5_000, jitter: 0.5 };

export function createConclusions(ports: ConcludePorts): Conclusions {
  /** True when the broker has the message; false when the delivery has to be given back first. */
  async function publishUntilConfirmed(
    held: Held,
    what: string,
    publish: () => Promise<void>,
  ): Promise<boolean> {
    const { signal } = held.giveBack;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await publish();
        return true;
      } catch (error) {
        const { requestId } = held.request.head;
        ports.log.warn({ err: error, what, failures, request_id: requestId }, "publish failed");
        await pause(ports.schedule, backoffMs(REPUBLISH_BACKOFF, failures, ports.random()), signal);
      }
    }
    return false;
  }

  async function publishEnding(held: Held, ending: Ending): Promise<boolean> {
    const { head } = held.request;
    const { choices, ...rest } = ending;
    const result = choices === null ? null : await ports.sealResult(head, { choices });
    const message = { ...rest, head, result, completedAtMs: ports.now() };
    return publishUntilConfirmed(held, "result", () => ports.publishResult(message));
  }

  async function clearStarted(held: Held, attemptsMade: number): Promise<void> {
    const { startedAtMs } = held;
    if (startedAtMs === null) return;
    const { userId, requestId } = held.request.head;
    try {
      await ports.clearStarted({ userId, requestId, startedAtMs, attemptsMade });
    } catch (error) {
      ports.log.debug({ err: error, request_id: requestId }, "the start was not cleared");
    }
  }

  async function noteDelayed({ request }: Held, { stepMs }: Delay): Promise<void> {
    const { userId, requestId } = request.head;
    try {
      // The step, not the expiration: a message leaves its queue only once those before it have left.
      await ports.noteDelayed({ userId, requestId, untilMs: ports.now() + stepMs });
    } catch (error) {
      ports.log.debug({ err: error, request_id: requestId }, "a delay was not noted");
    }
  }

  async function giveBack(held: Held): Promise<void> {
    // Before the publish, as in `retry`.
    await clearStarted(held, held.request.attempt - 1);
    const ended = new AbortController();
    const { lost } = held.delivery;
    const timeOver = pause(ports.schedule, HAND_OVER_MS, AbortSignal.any([ended.signal, lost]));
    await handOver(held, timeOver);
    ended.abort();
  }

  /** `timeOver`: the delivery is requeued if the broker has not confirmed by then. */
  async function handOver(held: Held, timeOver: Promise<void>): Promise<void> {
    const mayBeNew = !held.suspect && held.crashes === 0 && !held.delivery.lost.aborted;
    if (mayBeNew && (await publishAgain(held, timeOver))) held.delivery.ack();
    else held.delivery.requeue();
  }

  function publishAgain({ request }: Held, timeOver: Promise<void>): Promise<boolean> {
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

  async function passOn(held: Held, attempt: number, delay: Delay): Promise<void> {
    const isKept = await publishUntilConfirmed(held, "retry", async () => {
      // Before the publish, like every mark: afterwards the request may be elsewhere already.
      await noteDelayed(held, delay);
      await ports.publishRetry({ ...held.request, attempt }, delay);
    });
    if (isKept) held.delivery.ack();
    else held.delivery.requeue();
  }

  return {
    giveBack,
    handOver(held) {
      const { signal } = held.giveBack;
      const timeOver = new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      return handOver(held, timeOver);
    },
    async end(held, ending) {
      if (!(await publishEnding(held, ending))) return giveBack(held);
      ports.reach("W3");
      return held.delivery.ack();
    },
    async dead(held, { attempts, startedAtMs }, error) {
      const { requestId, model } = held.request.head;
      const { code } = error;
      ports.log.warn({ request_id: requestId, model, code, attempts }, "request failed");
      const nothing = { usage: null, choices: null };
      const ending = { ...nothing, state: "failed", attempts, startedAtMs, error } as const;
      if (!(await publishEnding(held, ending))) return giveBack(held);
      ports.reach("W3");
      const reason = { ...error, attempts, diedAtMs: ports.now() };
      const isKept = await publishUntilConfirmed(held, "dead letter", () =>
        ports.publishDead(held.request, reason),
      );
      return isKept ? held.delivery.ack() : giveBack(held);
    },
    async retry(held, delay) {
      // Before the publish: the next attempt may start, and mark so, as soon as the broker has the message.
      await clearStarted(held, held.request.attempt);
      await passOn(held, held.request.attempt + 1, delay);
    },
    park: (held, delay) => passOn(held, held.request.attempt, delay),
  };
}
