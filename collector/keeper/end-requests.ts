import type { RequestError } from "../../core/request/request.ts";
import type { TerminalState } from "../../core/request/request.ts";
import { announce } from "../results/announce.ts";
import { settlementsOf } from "../results/finishes.ts";
import type { FinishPorts, Process } from "../ports.ts";
import { settleAll } from "../results/settle.ts";

/**
 * Ends queued requests that were never executed: nothing is billed and the hold is released. Returns how many
 * moved. If it fails half way, the holds of those that have ended are freed as orphans.
 * @throws {Fault} STORE_UNAVAILABLE, QUOTA_UNAVAILABLE
 */
export async function endRequests(
  ports: FinishPorts & Process,
  requestIds: readonly string[],
  end: { state: TerminalState; error: RequestError },
): Promise<number> {
  if (requestIds.length === 0) return 0;
  const completedAtMs = ports.now();
  const replies = await ports.finishRequests(
    requestIds.toSorted().map((requestId) => ({
      requestId,
      ...end,
      attempts: 0,
      startedAtMs: null,
      completedAtMs,
      usage: null,
      result: null,
    })),
  );
  await settleAll(ports, settlementsOf(replies));
  const moved = replies.flatMap((reply) =>
    reply !== "unknown" && reply.moved ? [reply.requestId] : [],
  );
  await announce(ports, moved);
  return moved.length;
}
