import type { FinishPorts, Process, RelayPorts } from "../ports.ts";
import type { Duty } from "./duty.ts";
import { endRequests } from "./end-requests.ts";
import type { DeadOutbox, OutboxEntry } from "../../core/request/stored-request.ts";

export interface RelayOptions {
  everyMs: number;
  /** A gateway that noted nothing for this long is taken for dead. */
  silentMs: number;
}

/** Requests in memory at once, content and all. */
const PAGE_MAX = 200;
const PAGES_MAX = 10;

/**
 * Publishes what dead gateways had stored but not seen confirmed (guarantee I1). Some of it may have reached
 * the broker: a duplicate is allowed, a loss is not. A gateway that was only frozen does no harm either, for
 * the same reason.
 */
export function createRelay(
  ports: RelayPorts & FinishPorts & Process,
  { everyMs, silentMs }: RelayOptions,
): Duty {
  async function relay(entries: OutboxEntry[]): Promise<void> {
    const refused = await findRefused(ports, entries);
    const toPublish = entries.filter((entry) => !refused.has(entry));
    await Promise.all(toPublish.map(({ request }) => ports.publishRequest(request)));
    await cancel(ports, refused);
    ports.metrics.keeper_actions_total.add(toPublish.length, "relayed");
  }

  async function relayOutbox({ publisherId, entries, isComplete }: DeadOutbox): Promise<void> {
    const last = entries.at(-1);
    if (last !== undefined) {
      await relay(entries);
      ports.reach("K1");
      await ports.noteRelayed(publisherId, last.request.head.requestId, silentMs);
    }
    if (isComplete) await ports.publisherDone(publisherId, silentMs);
  }

  return {
    name: "relay",
    everyMs,
    run: async (signal) => {
      for (let pages = 0; pages < PAGES_MAX && !signal.aborted; pages += 1) {
        const outboxes = await ports.outboxOfDeadPublishers(silentMs, PAGE_MAX);
        if (outboxes.length === 0) return;
        for (const outbox of outboxes) await relayOutbox(outbox);
      }
    },
  };
}

/**
 * Finds requests that were refused with 503 although their row was stored: the reply to the commit came too
 * late, and the gateway died before it removed the row. Such a request must not run (guarantee I7).
 *
 * Why this never finds one that got a 202: a 202 is given only while the hold is there. From then on only a
 * settle takes the hold away; that follows the end of the request, and these are still queued. Redis says
 * `gone` only of a user whom it has known without a gap since well before the request was made; after any
 * loss of memory it says `unknown`. One exception: a replay with the same Idempotency-Key may have got a 202
 * later, for the stored row. Hence keyed requests are relayed whatever their hold. In doubt, relay: running a
 * request that nobody waits for costs tokens, losing one breaks the promise.
 */
async function findRefused(
  ports: Pick<RelayPorts, "holdFates">,
  entries: OutboxEntry[],
): Promise<Set<OutboxEntry>> {
  const unkeyed = entries.filter(({ isKeyed }) => !isKeyed);
  if (unkeyed.length === 0) return new Set();
  const fates = await ports.holdFates(unkeyed.map(({ request }) => request.head));
  return new Set(unkeyed.filter((_, index) => fates[index] === "gone"));
}

async function cancel(ports: FinishPorts & Process, refused: Set<OutboxEntry>): Promise<void> {
  const requestIds = [...refused].map(({ request }) => request.head.requestId);
  const moved = await endRequests(ports, requestIds, {
    state: "cancelled",
    error: { code: "CANCELLED", message: "the request was refused when it was made" },
  });
  ports.metrics.keeper_actions_total.add(moved, "refused_cancelled");
}
