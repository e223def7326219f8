import type { StartedHint } from "../../core/attempt/start.ts";
import { Fault } from "../../core/faults.ts";
import { isTerminal } from "../../core/request/request.ts";
import type { RequestRef, StoredRequest } from "../../core/request/stored-request.ts";
import { createBatcher } from "../../runtime/batcher.ts";
import type { GatewayPorts } from "../ports.ts";
import { type RequestView, viewRequest } from "./request-view.ts";
import type { Waiters } from "./waiters.ts";

type Ports = Pick<
  GatewayPorts,
  "config" | "log" | "schedule" | "findRequests" | "readStarted" | "open"
>;

const READ_ROWS_MAX = 500;
const READS_AT_ONCE_MAX = 4;
const READS_PENDING_MAX = 50_000;

export interface StatusReader {
  /**
   * Reads the state of a request now.
   *
   * @throws {Fault} REQUEST_UNKNOWN, also for somebody else's id; OVERLOADED, STORE_UNAVAILABLE
   */
  read: (lookup: RequestRef) => Promise<RequestView>;
  /**
   * Waits until the request has ended or `waitMs` is over, then reads; does not wait while `waiters_max`
   * calls do.
   *
   * @throws {Fault} as `read`
   */
  readAfter: (lookup: RequestRef, waitMs: number, signal: AbortSignal) => Promise<RequestView>;
}

/** All reads of one tick share one query. */
export function createStatusReader(ports: Ports, waiters: Waiters): StatusReader {
  const limits = {
    itemsMax: READ_ROWS_MAX,
    waitMs: 0,
    flushesMax: READS_AT_ONCE_MAX,
    bound: {
      pendingMax: READS_PENDING_MAX,
      onFull: () => new Fault("OVERLOADED", "too many status calls at once; try again shortly"),
    },
    schedule: ports.schedule,
  };
  const reads = createBatcher<RequestRef, StoredRequest | undefined>({
    ...limits,
    flush: ports.findRequests,
  });
  const hints = createBatcher<RequestRef, StartedHint | undefined>({
    ...limits,
    flush: ports.readStarted,
  });

  async function find(lookup: RequestRef): Promise<StoredRequest> {
    const stored = await reads.add(lookup);
    if (stored === undefined)
      throw new Fault("REQUEST_UNKNOWN", "there is no request with this id");
    return stored;
  }

  async function view(stored: StoredRequest): Promise<RequestView> {
    // `in_progress` is only a hint: without Redis the request is shown as queued.
    const hint = isTerminal(stored.state)
      ? undefined
      : await hints.add(stored).catch(() => undefined);
    return viewRequest(stored, hint, ports.open);
  }

  return {
    read: async (lookup) => view(await find(lookup)),
    readAfter: async (lookup, waitMs, signal) => {
      if (waiters.count() >= ports.config().gateway.waiters_max) return view(await find(lookup));
      // Registered before the first read, so that an end between the two is not missed.
      const waiter = waiters.wait(lookup, waitMs, signal);
      try {
        const stored = await find(lookup);
        if (isTerminal(stored.state)) return await view(stored);
        await waiter.ended;
        return await view(await find(lookup));
      } finally {
        waiter.cancel();
      }
    },
  };
}
