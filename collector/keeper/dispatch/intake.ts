import type { QueuedRequest } from "../../../core/request/messages.ts";
import type { IntakePorts, Process } from "../../ports.ts";
import type { Duty } from "../duty.ts";

/** Messages in memory at once, content and all. */
const BATCH_MAX = 200;
const BATCHES_MAX = 50;

/**
 * Parks what workers put off: takes it from the parking queue into PostgreSQL, where it keeps its place, its
 * attempt and its last error. A message is acked after the commit, so that a crash makes a duplicate, which
 * the row absorbs.
 */
export function createIntake(ports: IntakePorts & Process, { everyMs }: { everyMs: number }): Duty {
  return {
    name: "intake",
    everyMs,
    run: async (signal) => {
      await takeAll(ports, (park) => ports.takePutOff(BATCH_MAX, park), signal);
    },
  };
}

/** Parks what lies in a queue until it is empty or the bound of one round is met. Returns how many. */
export async function takeAll(
  ports: Pick<IntakePorts, "parkRequests"> & Process,
  take: (park: (requests: QueuedRequest[]) => Promise<void>) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  let parked = 0;
  for (let batches = 0; batches < BATCHES_MAX && !signal.aborted; batches += 1) {
    const taken = await take(async (requests) => {
      await ports.parkRequests(requests);
      ports.reach("D3");
    });
    parked += taken;
    if (taken < BATCH_MAX) break;
  }
  if (parked > 0) ports.metrics.keeper_actions_total.add(parked, "parked");
  return parked;
}
