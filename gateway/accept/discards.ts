import type { GatewayPorts } from "../ports.ts";

type Ports = Pick<GatewayPorts, "config" | "log" | "now" | "schedule" | "discardRequests">;

export interface Discards {
  /**
   * The caller was refused, so the row must not be there, whatever became of its insert. Resolves when that
   * is certain: false, it is not there and will not be; true, it stays, which only happens with an
   * idempotency key, because a replay may have been accepted for it. Takes as long as the store is away;
   * never rejects.
   */
  discard: (requestId: string) => Promise<boolean>;
  pending: () => number;
}

interface Entry {
  /** When the insert is certainly over, Unix milliseconds. */
  certainAtMs: number;
  resolve: (isStored: boolean) => void;
}

const PAUSE_MS = 1_000;
const IDS_MAX = 500;
/**
 * Beyond the server's own limit of a statement; an insert that is still under way then will not commit any
 * more.
 */
const MARGIN_MS = 2_000;

/**
 * Takes out rows whose insert ended in the unknown after their callers were refused: at once, and again
 * until the store has looked after the last moment at which the insert can still have committed. While the
 * store is away they wait here, at most `outbox_max`: each keeps its place in the outbox until it is
 * concluded, so that the note of this gateway stays behind a row that may be there.
 */
export function createDiscards(ports: Ports): Discards {
  /** By request id, in order of time. */
  const pending = new Map<string, Entry>();
  let isScheduled = false;

  function conclude(requestId: string, isStored: boolean): void {
    pending.get(requestId)?.resolve(isStored);
    pending.delete(requestId);
  }

  async function discardSome(): Promise<void> {
    const ids = [...pending.keys()].slice(0, IDS_MAX);
    const askedAtMs = ports.now();
    try {
      const stored = new Set(await ports.discardRequests(ids));
      for (const id of ids) {
        if (stored.has(id)) conclude(id, true);
        else if ((pending.get(id)?.certainAtMs ?? 0) <= askedAtMs) conclude(id, false);
      }
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
    discard: (requestId) =>
      new Promise((resolve) => {
        const { statement_timeout_ms: statementMs } = ports.config().postgres;
        pending.set(requestId, { certainAtMs: ports.now() + statementMs + MARGIN_MS, resolve });
        scheduleNext(0);
      }),
    pending: () => pending.size,
  };
}
