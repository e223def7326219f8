import { isTerminal } from "../../core/request/request.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";
import { repeat } from "../../runtime/repeat.ts";
import type { GatewayPorts } from "../ports.ts";

type Ports = Pick<
  GatewayPorts,
  "config" | "log" | "metrics" | "schedule" | "findRequests" | "onFinished" | "onResubscribed"
>;

export interface Waiter {
  /** Resolves when the request may have ended, the wait is over, or the caller has gone. Never rejects. */
  ended: Promise<void>;
  cancel: () => void;
}

export interface Waiters {
  wait: (lookup: RequestRef, waitMs: number, signal: AbortSignal) => Waiter;
  /** Waits until the end, however long that takes: of a stream. */
  waitLong: (lookup: RequestRef, signal: AbortSignal) => Waiter;
  count: () => number;
  /** Whether one more of a user may wait. */
  hasRoom: (userId: string) => boolean;
  /** Ends every wait but the long ones at once: a stopping gateway returns the present state. */
  endAll: () => void;
  /** Ends the long ones too: the time of the stopping gateway is over. */
  endLong: () => void;
  stop: () => void;
}

type WakeReason = "announcement" | "recheck" | "timeout" | "gone";

interface Entry {
  lookup: RequestRef;
  isLong: boolean;
  wake: (reason: WakeReason) => void;
}

/** Longer than any request may wait and run. */
const LONG_MS = 14 * 86_400_000;
/** Requests read again in one query of a recheck. */
const RECHECK_ROWS_MAX = 1_000;

/**
 * Calls that wait for the end of a request (long-polls). The collector's announcement through Redis wakes
 * them; since an announcement can be lost, all that wait are also read again every `wait_recheck_ms` and
 * after each reconnect.
 */
export function createWaiters(ports: Ports): Waiters {
  const byRequest = new Map<string, Set<Entry>>();
  const byUser = new Map<string, number>();
  let waiting = 0;

  function tally(userId: string, one: 1 | -1): void {
    waiting += one;
    const own = (byUser.get(userId) ?? 0) + one;
    if (own > 0) byUser.set(userId, own);
    else byUser.delete(userId);
  }

  function remove(entry: Entry): void {
    const { requestId, userId } = entry.lookup;
    const entries = byRequest.get(requestId);
    if (entries?.delete(entry) !== true) return;
    tally(userId, -1);
    if (entries.size === 0) byRequest.delete(requestId);
  }

  function wakeRequest(requestId: string, reason: WakeReason): void {
    for (const entry of byRequest.get(requestId) ?? []) entry.wake(reason);
  }

  async function recheck(): Promise<void> {
    const lookups = [...byRequest.values()].flatMap((entries) =>
      [...entries].slice(0, 1).map((entry) => entry.lookup),
    );
    for (let from = 0; from < lookups.length; from += RECHECK_ROWS_MAX) {
      const found = await ports.findRequests(lookups.slice(from, from + RECHECK_ROWS_MAX));
      for (const stored of found)
        if (stored !== undefined && isTerminal(stored.state))
          wakeRequest(stored.requestId, "recheck");
    }
  }

  let isRechecking = false;
  async function recheckSafely(): Promise<void> {
    if (isRechecking) return;
    isRechecking = true;
    await recheck().catch((error: unknown) =>
      ports.log.warn({ err: error }, "cannot recheck waiting calls"),
    );
    isRechecking = false;
  }

  const stop = repeat(ports.schedule, recheckSafely, () => ports.config().gateway.wait_recheck_ms);

  ports.onFinished((requestIds) => {
    for (const requestId of requestIds) wakeRequest(requestId, "announcement");
  });
  ports.onResubscribed(() => void recheckSafely());

  function add(
    lookup: RequestRef,
    waitMs: number,
    signal: AbortSignal,
    { isLong }: { isLong: boolean },
  ): Waiter {
    let cancel = (): void => {};
    const ended = new Promise<void>((resolve) => {
      const entry: Entry = {
        lookup,
        isLong,
        wake: (reason) => {
          cancel();
          if (reason === "announcement" || reason === "recheck")
            ports.metrics.gateway_wakeups_total.add(1, reason);
        },
      };
      const onGone = (): void => entry.wake("gone");
      const cancelTimeout = ports.schedule(() => entry.wake("timeout"), waitMs);
      cancel = () => {
        remove(entry);
        cancelTimeout();
        signal.removeEventListener("abort", onGone);
        resolve();
      };
      signal.addEventListener("abort", onGone, { once: true });
      const entries = byRequest.get(lookup.requestId);
      if (entries === undefined) byRequest.set(lookup.requestId, new Set([entry]));
      else entries.add(entry);
      tally(lookup.userId, 1);
    });
    return { ended, cancel };
  }

  function end(isEnded: (entry: Entry) => boolean): void {
    for (const entries of byRequest.values())
      for (const entry of entries) if (isEnded(entry)) entry.wake("timeout");
  }

  return {
    wait: (lookup, waitMs, signal) => add(lookup, waitMs, signal, { isLong: false }),
    waitLong: (lookup, signal) => add(lookup, LONG_MS, signal, { isLong: true }),
    count: () => waiting,
    hasRoom: (userId) => {
      const { waiters_max: max, user_waiters_max: userMax } = ports.config().gateway;
      return waiting < max && (byUser.get(userId) ?? 0) < userMax;
    },
    endAll: () => end(({ isLong }) => !isLong),
    endLong: () => end(() => true),
    stop,
  };
}
