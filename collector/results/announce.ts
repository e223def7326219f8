import type { FinishPorts, Process } from "../ports.ts";

/**
 * Wakes who waits for these requests, best effort: gateways also look for themselves every few seconds. Never
 * throws.
 */
export async function announce(
  { announceFinished, log }: Pick<FinishPorts & Process, "announceFinished" | "log">,
  requestIds: string[],
): Promise<void> {
  if (requestIds.length === 0) return;
  try {
    await announceFinished(requestIds);
  } catch (error) {
    log.warn({ err: error, requests: requestIds.length }, "long-polls could not be woken");
  }
}
