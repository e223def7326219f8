import type { Finish, FinishReply } from "../../../core/request/finish.ts";
import type { GatewayPorts } from "../../../gateway/ports.ts";
import type { StoredRequest } from "../../../core/request/stored-request.ts";

/** Above every id. */
const LAST_ID = "g";

/** The requests that PostgreSQL would have, by id, and the ports that read and end them. */
export function createFakeRequestTable() {
  const stored = new Map<string, StoredRequest>();
  const finishes: Finish[] = [];

  /** Ends a request as PostgreSQL would: only if it is still queued. */
  function finish(wanted: Finish): FinishReply {
    const before = stored.get(wanted.requestId);
    if (before === undefined) return "unknown";
    const { state: wantedState, completedAtMs, attempts, error } = wanted;
    const { requestId, userId, estimatedTokens, totalTokens: billedTokens } = before;
    const owned = { requestId, userId, windowDay: "2026-11-21", estimatedTokens, billedTokens };
    if (before.state !== "queued") return { ...owned, moved: false, state: before.state };
    finishes.push(wanted);
    const end = { state: wantedState, completedAtMs, attempts };
    const cause = { errorCode: error?.code ?? null, errorMessage: error?.message ?? null };
    stored.set(requestId, { ...before, ...end, ...cause });
    return { ...owned, moved: true, state: wantedState };
  }

  const ports = {
    findRequests: async (lookups) =>
      lookups.map(({ requestId, userId }) => {
        const found = stored.get(requestId);
        return found?.userId === userId ? found : undefined;
      }),
    listRequests: async ({ userId, state, before = LAST_ID, limit }) =>
      [...stored.values()]
        .filter((row) => row.userId === userId && row.requestId < before)
        .filter((row) => state === undefined || row.state === state)
        .toSorted((a, b) => (a.requestId < b.requestId ? 1 : -1))
        .slice(0, limit),
    finishRequests: async (wanted) => wanted.map(finish),
  } satisfies Partial<GatewayPorts>;
  return { stored, finishes, ports };
}
