import { endTooLarge } from "../../core/attempt/too-large.ts";
import { Fault } from "../../core/faults.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { encodeResult } from "./messages.ts";
import type { Publisher } from "./publisher.ts";

/**
 * Publishes a request to where it goes. One that is too large for the queue goes to `results` as failed
 * instead: trying it again would end in the same way, and cost its neighbours their channel each time.
 *
 * @throws {Fault} BROKER_UNAVAILABLE as `publish` of the publisher does
 */
export async function publishOrEnd(
  publisher: Pick<Publisher, "publish">,
  results: string,
  request: QueuedRequest,
  publish: () => Promise<void>,
): Promise<void> {
  try {
    await publish();
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "MESSAGE_TOO_LARGE") throw error;
    const end = endTooLarge(request, error.message, Date.now());
    await publisher.publish(results, encodeResult(end));
  }
}
