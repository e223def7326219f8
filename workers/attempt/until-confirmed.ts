import { Fault } from "../../core/faults.ts";
import { type Backoff, backoffMs } from "../../runtime/backoff.ts";
import { pause } from "../../runtime/schedule.ts";
import type { OwnedDelivery } from "../deliveries/owned.ts";
import type { WorkerPorts } from "../ports.ts";

/**
 * Repeats a publish. Returns true when the broker has the message, false when the delivery was broken off
 * first.
 *
 * @throws {Fault} MESSAGE_TOO_LARGE: repeating it would not help
 */
export type UntilConfirmed = (
  owned: OwnedDelivery,
  what: string,
  publish: () => Promise<void>,
) => Promise<boolean>;

/** Between two publishes of the same message. */
const REPUBLISH_BACKOFF: Backoff = { firstMs: 100, longestMs: 5_000, jitter: 0.5 };

export const isTooLarge = (error: unknown): error is Fault =>
  error instanceof Fault && error.code === "MESSAGE_TOO_LARGE";

export function createUntilConfirmed({
  log,
  random,
  schedule,
}: Pick<WorkerPorts, "log" | "random" | "schedule">): UntilConfirmed {
  return async (owned, what, publish) => {
    const { signal } = owned.brokenOff;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await publish();
        return true;
      } catch (error) {
        if (isTooLarge(error)) throw error;
        const { requestId } = owned.request.head;
        log.warn({ err: error, what, failures, request_id: requestId }, "publish failed");
        await pause(schedule, backoffMs(REPUBLISH_BACKOFF, failures, random()), signal);
      }
    }
    return false;
  };
}
