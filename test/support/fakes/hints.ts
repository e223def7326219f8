import type { RequestHints } from "../../../adapters/redis/request-hints.ts";
import type { RequestError } from "../../../core/request/request.ts";
import type { FakeServer } from "./server.ts";

/** The hints about requests without Redis. */
export interface FakeHints extends RequestHints {
  /** As a settlement does: whatever is marked of the request is gone. */
  forget: (request: { userId: string; requestId: string }) => void;
}

/** As `lua/start.lua` and its neighbours keep it: a field that is absent was never set. */
interface Mark {
  attempt?: number;
  startedAtMs?: number;
  crashes?: number;
  lastStartedAtMs?: number;
  attemptsMade?: number;
  delayedUntilMs?: number;
  lastError?: RequestError;
  endsAtMs: number;
}

const MARK_TTL_MS = 24 * 3_600_000;
const NOTED_TTL_MS = 8 * 24 * 3_600_000;
const CANCELLED_TTL_MS = 8 * 86_400_000;

export function createFakeHints({
  server,
  now,
}: {
  server: FakeServer;
  /** Clock of the server, Unix milliseconds. */
  now: () => number;
}): FakeHints {
  const marks = new Map<string, Mark>();
  const cancelledUntilMs = new Map<string, number>();
  const keyOf = ({ userId, requestId }: { userId: string; requestId: string }): string =>
    `${userId}/${requestId}`;

  function markOf(key: string): Mark | undefined {
    const mark = marks.get(key);
    if (mark === undefined || mark.endsAtMs > now()) return mark;
    marks.delete(key);
    return undefined;
  }

  return {
    markStarted: ({ attempt, startedAtMs, redelivered, ...request }) =>
      server.ask(() => {
        const key = keyOf(request);
        const before = markOf(key);
        const isCrash = redelivered && before?.attempt !== undefined;
        const crashes = (before?.crashes ?? 0) + (isCrash ? 1 : 0);
        const cancelled = (cancelledUntilMs.get(key) ?? 0) > now();
        if (!cancelled) {
          const endsAtMs = now() + MARK_TTL_MS;
          marks.set(key, { ...before, attempt, startedAtMs, crashes, endsAtMs });
        }
        return { cancelled, crashes };
      }),
    clearStarted: ({ startedAtMs, attemptsMade, lastError, ...request }) =>
      server.ask(() => {
        const key = keyOf(request);
        const markedAtMs = markOf(key)?.startedAtMs;
        if (markedAtMs !== undefined && markedAtMs !== startedAtMs) return;
        const lastStartedAtMs = markedAtMs ?? markOf(key)?.lastStartedAtMs ?? 0;
        const made = attemptsMade > 0 ? { attemptsMade, lastStartedAtMs } : {};
        const met = lastError === null ? {} : { lastError };
        marks.set(key, { ...made, ...met, endsAtMs: now() + NOTED_TTL_MS });
      }),
    read: (requests) =>
      server.ask(() =>
        requests.map((request) => {
          const mark = markOf(keyOf(request));
          const { attempt, startedAtMs } = mark ?? {};
          const isUnderWay = attempt !== undefined && startedAtMs !== undefined;
          return {
            started: isUnderWay ? { attempt, startedAtMs } : undefined,
            lastStartedAtMs: mark?.lastStartedAtMs ?? 0,
            attemptsMade: mark?.attemptsMade ?? 0,
            delayedUntilMs: mark?.delayedUntilMs ?? 0,
            lastError: mark?.lastError ?? null,
          };
        }),
      ),
    readStarted: (requests) =>
      server.ask(() =>
        requests.map((request) => {
          const { attempt, startedAtMs } = markOf(keyOf(request)) ?? {};
          if (attempt === undefined || startedAtMs === undefined) return undefined;
          return { attempt, startedAtMs };
        }),
      ),
    readAttemptsMade: (requests) =>
      server.ask(() => requests.map((request) => markOf(keyOf(request))?.attemptsMade ?? 0)),
    noteDelayed: ({ untilMs, ...request }) =>
      server.ask(() => {
        const key = keyOf(request);
        const endsAtMs = untilMs + MARK_TTL_MS;
        marks.set(key, { ...markOf(key), delayedUntilMs: untilMs, endsAtMs });
      }),
    readDelayedUntil: (requests) =>
      server.ask(() => requests.map((request) => markOf(keyOf(request))?.delayedUntilMs ?? 0)),
    markCancelled: (request) =>
      server.ask(() => void cancelledUntilMs.set(keyOf(request), now() + CANCELLED_TTL_MS)),
    forget: (request) => void marks.delete(keyOf(request)),
  };
}
