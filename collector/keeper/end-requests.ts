import type { RequestError } from "../../core/request/request.ts";
import type { TerminalState } from "../../core/request/request.ts";
import { announce } from "../results/announce.ts";
import { settlementsOf } from "../results/finishes.ts";
import type { FinishPorts, Process } from "../ports.ts";
import { settleAll } from "../results/settle.ts";

/** How a request is ended by the keeper. `attempts`: executions that failed; 0 when there were none. */
export interface KeeperEnd {
  state: TerminalState;
  error: RequestError;
  attempts: number;
}

/**
 * Ends queued requests that no worker has any more. Returns how many moved. If it fails half way, the holds
 * of those that have ended are freed as orphans.
 * @throws {Fault} STORE_UNAVAILABLE, QUOTA_UNAVAILABLE
 */
export async function endRequests(
  ports: FinishPorts & Process,
  ends: ReadonlyMap<string, KeeperEnd>,
): Promise<number> {
  if (ends.size === 0) return 0;
  const completedAtMs = ports.now();
  const sorted = [...ends].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const replies = await ports.finishRequests(
    sorted.map(([requestId, end]) => ({
      requestId,
      ...end,
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
