import { IDEMPOTENCY_KEYS_MS } from "../../core/request/stored-request.ts";
import type { Process, RetentionPorts } from "../ports.ts";
import type { Duty } from "./duty.ts";
import { createRest } from "../../runtime/rest.ts";

export interface RetentionOptions {
  everyMs: number;
  /** Requests older than this are dropped; the ledger stays. */
  retentionDays: number;
}

/** Each try for a lock that a long reader has makes others wait behind it for a tenth of a second. */
const RETRY_MS = 120_000;
const DAY_MS = 86_400_000;
const PUBLISHERS_MS = DAY_MS;
const KEYS_PER_DELETE = 5_000;
/** 25 million keys an hour, which is 7,000 a second: more than come to their end. */
const DELETES_MAX = 5_000;

/**
 * Makes partitions ahead of time, then drops what is past its time. It rests between two deletes, so that it
 * is in nobody's way.
 */
export function createRetention(
  ports: RetentionPorts & Process,
  { everyMs, retentionDays }: RetentionOptions,
): Duty {
  async function deleteKeys(nowMs: number, signal: AbortSignal): Promise<void> {
    const rest = createRest(ports, signal);
    for (let deletes = 0; deletes < DELETES_MAX && !signal.aborted; deletes += 1) {
      const deleted = await ports.deleteIdempotencyKeysBefore(
        nowMs - IDEMPOTENCY_KEYS_MS,
        KEYS_PER_DELETE,
      );
      if (deleted < KEYS_PER_DELETE) return;
      await rest.take();
    }
  }

  return {
    name: "retention",
    everyMs,
    retryMs: RETRY_MS,
    run: async (signal) => {
      const nowMs = ports.now();
      await ports.ensurePartitions();
      const dropped = await ports.dropPartitionsBefore(nowMs - retentionDays * DAY_MS);
      if (dropped.length > 0) {
        ports.log.info({ partitions: dropped }, "requests past their retention are dropped");
        ports.metrics.keeper_actions_total.add(dropped.length, "partition_dropped");
      }
      await deleteKeys(nowMs, signal);
      await ports.deletePublishersBefore(nowMs - PUBLISHERS_MS);
    },
  };
}
