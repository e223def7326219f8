import type { Delay } from "../../core/attempt/delay.ts";
import type { RequestError } from "../../core/request/request.ts";
import type { OwnedDelivery } from "../deliveries/owned.ts";
import type { WorkerPorts } from "../ports.ts";

/** What is noted of a request whose delivery leaves this worker without ending it. Neither ever rejects. */
export interface Marks {
  /** The attempt, if one had begun, is over; `attemptsMade` have ended so far, the last one by that error. */
  clearStarted: (
    owned: OwnedDelivery,
    attemptsMade: number,
    lastError: RequestError | null,
  ) => Promise<void>;
  noteDelayed: (owned: OwnedDelivery, delay: Delay) => Promise<void>;
}

export function createMarks(
  ports: Pick<WorkerPorts, "clearStarted" | "noteDelayed" | "now" | "log">,
): Marks {
  return {
    async clearStarted({ request, startedAtMs }, attemptsMade, lastError) {
      const { userId, requestId } = request.head;
      try {
        await ports.clearStarted({ userId, requestId, startedAtMs, attemptsMade, lastError });
      } catch (error) {
        ports.log.debug({ err: error, request_id: requestId }, "the start was not cleared");
      }
    },
    async noteDelayed({ request }, { stepMs }) {
      const { userId, requestId } = request.head;
      try {
        // The step, not the expiration: a message leaves its queue only once those before it have left.
        await ports.noteDelayed({ userId, requestId, untilMs: ports.now() + stepMs });
      } catch (error) {
        ports.log.debug({ err: error, request_id: requestId }, "a delay was not noted");
      }
    },
  };
}
