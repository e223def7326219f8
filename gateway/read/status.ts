import type { AttemptHints } from "../../core/attempt/start.ts";
import { Fault } from "../../core/faults.ts";
import { isTerminal } from "../../core/request/request.ts";
import type { RequestRef, StoredRequest } from "../../core/request/stored-request.ts";
import { createBatcher } from "../../runtime/batcher.ts";
import type { GatewayPorts } from "../ports.ts";
import type { OwnPlace } from "../../core/queue/waiting.ts";
import { NO_HINTS, type RequestView, viewRequest } from "./request-view.ts";
import type { OwnRef, Standings } from "./standings.ts";
import type { Waiter, Waiters } from "./waiters.ts";

type Ports = Pick<
  GatewayPorts,
  "config" | "log" | "schedule" | "findRequests" | "readHints" | "parkedPlaces" | "open"
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
  read: (lookup: OwnRef) => Promise<RequestView>;
  /**
   * Waits until the request has ended or `waitMs` is over, then reads; does not wait while `waiters_max`
   * calls do, or `user_waiters_max` of this user.
   *
   * @throws {Fault} as `read`
   */
  readAfter: (lookup: OwnRef, waitMs: number, signal: AbortSignal) => Promise<RequestView>;
  /**
   * Waits until the request has ended, however long that takes, or this gateway must stop; then reads.
   *
   * @throws {Fault} as `read`
   */
  readAtEnd: (lookup: OwnRef, signal: AbortSignal) => Promise<RequestView>;
}

/** All reads of one tick share one query. */
export function createStatusReader(
  ports: Ports,
  waiters: Waiters,
  standings: Standings,
): StatusReader {
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
  const hints = createBatcher<RequestRef, AttemptHints>({ ...limits, flush: ports.readHints });
  const places = createBatcher<string, OwnPlace | undefined>({
    ...limits,
    flush: ports.parkedPlaces,
  });

  async function find(lookup: RequestRef): Promise<StoredRequest> {
    const stored = await reads.add(lookup);
    if (stored === undefined)
      throw new Fault("REQUEST_UNKNOWN", "there is no request with this id");
    return stored;
  }

  async function view(stored: StoredRequest, tier: string | null): Promise<RequestView> {
    if (isTerminal(stored.state)) return viewRequest(stored, undefined, ports.open);
    // `in_progress` is only a hint: without Redis the request is shown as queued.
    const known = await hints.add(stored).catch(() => NO_HINTS);
    const isPlaced = known.started === undefined && standings.mayBeParked(stored.model);
    // Why it waits is no reason to fail.
    const place = isPlaced ? await places.add(stored.requestId).catch(() => undefined) : undefined;
    const standing = standings.standingOf(stored, tier, known, place);
    return viewRequest(stored, standing, ports.open);
  }

  async function readWhenOver(lookup: OwnRef, waiter: Waiter): Promise<RequestView> {
    const { tier } = lookup;
    try {
      const stored = await find(lookup);
      if (isTerminal(stored.state)) return await view(stored, tier);
      await waiter.ended;
      return await view(await find(lookup), tier);
    } finally {
      waiter.cancel();
    }
  }

  return {
    read: async (lookup) => view(await find(lookup), lookup.tier),
    readAfter: async (lookup, waitMs, signal) => {
      if (!waiters.hasRoom(lookup.userId)) return view(await find(lookup), lookup.tier);
      // Registered before the first read, so that an end between the two is not missed.
      return readWhenOver(lookup, waiters.wait(lookup, waitMs, signal));
    },
    readAtEnd: (lookup, signal) => readWhenOver(lookup, waiters.waitLong(lookup, signal)),
  };
}
