import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import { noteActions } from "../../adapters/postgres/operator-actions.ts";
import { deleteParked } from "../../adapters/postgres/parked.ts";
import {
  openRequests,
  type OpenRequest,
  type RequestFilter,
} from "../../adapters/postgres/search-requests.ts";
import { createQuotaStore } from "../../adapters/redis/quota-store.ts";
import { createRequestHints } from "../../adapters/redis/request-hints.ts";
import { createCountProgress } from "../../adapters/terminal/count-progress.ts";
import { formatNumber } from "../../adapters/terminal/table.ts";
import type { Page } from "../../core/request/stored-request.ts";
import type { Operation } from "../operator/operate.ts";
import {
  type CancelCounts,
  type CancelOrder,
  type CancelPorts,
  cancelRequests,
  NOTHING_CANCELLED,
  sumOf,
} from "./cancel-requests.ts";

const PAGE_MAX = 500;

/** What a cancel needs of an operation's servers. */
export async function cancelPorts({ database, redis, signals }: Operation): Promise<CancelPorts> {
  const connection = await redis();
  const hints = createRequestHints(connection);
  const { announceCancel, announceFinished } = await signals();
  return {
    now: Date.now,
    noteActions: (actions) => noteActions(database, actions),
    readHints: hints.read,
    markCancelled: hints.markCancelled,
    announceCancel,
    finishRequests: (finishes) => finishRequests(database, finishes),
    settle: createQuotaStore(connection).settle,
    announceFinished,
    deleteParked: (requestIds) => deleteParked(database, requestIds),
  };
}

/**
 * Cancels all open requests of a kind, page by page, and tells on standard error how far it is. Those in
 * `seen` are left out, and those that it has looked at are added.
 */
export async function cancelAll(
  operation: Operation,
  filter: RequestFilter,
  order: CancelOrder,
  { total, seen = new Set() }: { total: number; seen?: Set<string> },
): Promise<CancelCounts> {
  const ports = await cancelPorts(operation);
  const progress = createCountProgress(process.stderr, total, "looked at");
  let counts = NOTHING_CANCELLED;
  let looked = 0;
  let after: string | null = null;
  try {
    do {
      const page: Page<OpenRequest> = await openRequests(
        operation.database,
        filter,
        after,
        PAGE_MAX,
      );
      const fresh = page.items.filter(({ requestId }) => !seen.has(requestId));
      counts = sumOf(counts, await cancelRequests(ports, fresh, order));
      for (const { requestId } of fresh) seen.add(requestId);
      looked += page.items.length;
      progress.at(looked);
      after = page.next;
    } while (after !== null);
  } finally {
    progress.end();
  }
  return counts;
}

/** `1,200 cancelled, 3 told to stop, 1 had ended meanwhile`. */
export function describeCounts({ cancelled, stopping, spared, ended }: CancelCounts): string {
  const parts = [`${formatNumber(cancelled)} cancelled`];
  if (stopping > 0)
    parts.push(`${formatNumber(stopping)} running told to stop, billed for what they used`);
  if (spared > 0) parts.push(`${formatNumber(spared)} let go on`);
  if (ended > 0) parts.push(`${formatNumber(ended)} had ended meanwhile`);
  return parts.join(", ");
}
