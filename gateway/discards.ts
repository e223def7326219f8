import type { GatewayPorts } from "./ports.ts";

type Ports = Pick<GatewayPorts, "config" | "log" | "now" | "schedule" | "discardRequests">;

export interface Discards {
  /** The caller was refused, so the row must not be there, whatever became of its insert. */
  discard: (requestId: string) => void;
  pending: () => number;
}

const PAUSE_MS = 1_000;
const IDS_MAX = 500;
/** Beyond the server's own limit of a statement; an insert that is still under way then will not commit any more. */
const MARGIN_MS = 2_000;
/** More refused rows than any gateway can have had under way. */
const PENDING_MAX = 100_000;

/**
 * Takes out rows whose insert ended in the unknown after their callers were refused: at once, and again until an answer came after the
 * last moment at which the insert can still have committed. While the store is away they wait here.
 */
export function createDiscards(ports: Ports): Discards {
  /** Request id → when its insert is certainly over, Unix milliseconds. In order of time. */
  const pending = new Map<string, number>();
  let isScheduled = false;

  async function discardSome(): Promise<void> {
    const ids = [...pending.keys()].slice(0, IDS_MAX);
    const askedAtMs = ports.now();
    try {
      await ports.discardRequests(ids);
      for (const id of ids) if ((pending.get(id) ?? 0) <= askedAtMs) pending.delete(id);
    } catch (error) {
      ports.log.warn({ err: error, pending: pending.size }, "cannot take out refused requests yet");
    }
  }

  function scheduleNext(pauseMs: number): void {
    if (isScheduled || pending.size === 0) return;
    isScheduled = true;
    ports.schedule(() => {
      void discardSome().finally(() => {
        isScheduled = false;
        scheduleNext(PAUSE_MS);
      });
    }, pauseMs);
  }

  return {
    discard: (requestId) => {
      if (pending.size >= PENDING_MAX) {
        ports.log.error(
          { request_id: requestId },
          "too many refused requests to take out; the keeper has to find this one",
        );
        return;
      }
      pending.set(
        requestId,
        ports.now() + ports.config().postgres.statement_timeout_ms + MARGIN_MS,
      );
      scheduleNext(0);
    },
    pending: () => pending.size,
  };
}
