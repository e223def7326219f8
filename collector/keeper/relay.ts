import type { FinishPorts, Process, RelayPorts } from "../ports.ts";
import type { Duty } from "./duty.ts";
import { cancelRefused, findRefused } from "./refused.ts";
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
    await cancelRefused(ports, refused);
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
