import { Fault } from "../../core/faults.ts";
import { IDEMPOTENCY_KEYS_MS } from "../../core/request/stored-request.ts";
import type { Process, RetentionPorts } from "../ports.ts";
import type { Duty } from "./duty.ts";
import { createRest } from "../../runtime/rest.ts";

export interface RetentionOptions {
  everyMs: number;
  /** Requests older than this are dropped; the ledger stays. */
  retentionDays: number;
}

/** Each try for the table that a long reader has makes others wait behind it for a tenth of a second. */
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

  /** Returns the days that are due and being read. */
  async function dropDays(beforeMs: number, signal: AbortSignal): Promise<string[]> {
    const beingRead: string[] = [];
    for (const day of await ports.partitionsBefore(beforeMs)) {
      if (signal.aborted) break;
      const outcome = await ports.dropPartition(day);
      if (outcome === "read") beingRead.push(day);
      if (outcome !== "dropped") continue;
      ports.log.info({ day }, "the requests of a day past its retention are dropped");
      ports.metrics.keeper_actions_total.add(1, "partition_dropped");
    }
    return beingRead;
  }

  return {
    name: "retention",
    everyMs,
    retryMs: RETRY_MS,
    run: async (signal) => {
      const nowMs = ports.now();
      await ports.ensurePartitions();
      const beforeMs = nowMs - retentionDays * DAY_MS;
      const beingRead = await dropDays(beforeMs, signal);
      await ports.deleteStraysBefore(beforeMs);
      await deleteKeys(nowMs, signal);
      await ports.deletePublishersBefore(nowMs - PUBLISHERS_MS);
      if (beingRead.length > 0)
        throw new Fault(
          "STORE_UNAVAILABLE",
          `days past their retention are being read, and kept until later: ${beingRead.join(", ")}`,
        );
    },
  };
}
