import type { OutboxEntry } from "../../core/request/stored-request.ts";
import type { FinishPorts, Process, RelayPorts } from "../ports.ts";
import { endRequests, type KeeperEnd } from "./end-requests.ts";

/**
 * Finds requests that were refused with 503 although their row was stored: the reply to the commit came too
 * late, and the gateway died before it removed the row. Such a request must not run (guarantee I7).
 *
 * Why this never finds one that got a 202: a 202 is given only while the hold is there. From then on only a
 * settle takes the hold away; that follows the end of the request, and these are still queued. Redis says
 * `gone` only of a user whom it has known without a gap since well before the request was made; after any
 * loss of memory it says `unknown`. One exception: a replay with the same Idempotency-Key may have got a 202
 * later, for the stored row. Hence keyed requests are published whatever their hold. In doubt, publish:
 * running a
 * request that nobody waits for costs tokens, losing one breaks the promise.
 */
export async function findRefused<Entry extends OutboxEntry>(
  ports: Pick<RelayPorts, "holdFates">,
  entries: readonly Entry[],
): Promise<Set<Entry>> {
  const unkeyed = entries.filter(({ isKeyed }) => !isKeyed);
  if (unkeyed.length === 0) return new Set();
  const fates = await ports.holdFates(unkeyed.map(({ request }) => request.head));
  return new Set(unkeyed.filter((_, index) => fates[index] === "gone"));
}

/** Ends what `findRefused` found, as if it had never been stored. */
export async function cancelRefused(
  ports: FinishPorts & Process,
  refused: ReadonlySet<OutboxEntry>,
): Promise<void> {
  const end: KeeperEnd = {
    state: "cancelled",
    error: { code: "CANCELLED", message: "the request was refused when it was made" },
    attempts: 0,
  };
  const moved = await endRequests(
    ports,
    new Map([...refused].map(({ request }) => [request.head.requestId, end])),
  );
  ports.metrics.keeper_actions_total.add(moved, "refused_cancelled");
}
