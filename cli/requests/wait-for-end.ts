import { standings } from "../../adapters/postgres/open-requests.ts";
import { isTerminal } from "../../core/request/request.ts";
import type { RequestStanding } from "../../core/request/stored-request.ts";
import type { Operation } from "../operator/operate.ts";

/** Announcements come at most once, and not at all without Redis: so it is looked at anyway. */
const LOOK_PERIOD_MS = 1_000;

/**
 * Waits until a request has ended, or until `deadlineMs` (Unix milliseconds), and returns how it stands;
 * undefined: PostgreSQL does not have it.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function waitForEnd(
  { database, signals }: Operation,
  requestId: string,
  deadlineMs: number,
): Promise<RequestStanding | undefined> {
  let wake = (): void => {};
  const heard = await signals().catch(() => undefined);
  const stop = heard?.onFinished((ids) => {
    if (ids.includes(requestId)) wake();
  });
  try {
    for (;;) {
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const [standing] = await standings(database, [requestId]);
      const leftMs = deadlineMs - Date.now();
      if (standing === undefined || isTerminal(standing.state) || leftMs <= 0) return standing;
      await Promise.race([woken, Bun.sleep(Math.min(leftMs, LOOK_PERIOD_MS))]);
    }
  } finally {
    stop?.();
  }
}
