import { decodeJson, type InferenceResult } from "../core/payload.ts";
import { isTerminal } from "../core/request.ts";
import type { GatewayPorts, StartedHint, StoredRequest } from "./ports.ts";
import type { StatusReply } from "./schemas.ts";

const iso = (ms: number): string => new Date(ms).toISOString();

/** A stored request as its owner sees it; opens what is sealed. */
export function statusView(
  stored: StoredRequest,
  started: StartedHint | undefined,
  open: GatewayPorts["open"],
): StatusReply {
  const { head, usage } = stored;
  const total = usage === null ? null : usage.promptTokens + usage.completionTokens;
  const ended = isTerminal(stored.state);
  const startedAtMs = stored.startedAtMs ?? started?.startedAtMs ?? null;
  const read = (sealed: Uint8Array, field: "metadata" | "result"): unknown =>
    decodeJson(open(sealed, head, field));
  return {
    request_id: head.requestId,
    status: !ended && started !== undefined ? "in_progress" : stored.state,
    model: head.model,
    ...(stored.result === null ? {} : { result: read(stored.result, "result") as InferenceResult }),
    ...(stored.error === null ? {} : { error: stored.error }),
    tokens: {
      estimated: head.estimatedTokens,
      prompt: usage?.promptTokens ?? null,
      completion: usage?.completionTokens ?? null,
      total,
      refunded: ended ? head.estimatedTokens - (total ?? 0) : null,
    },
    attempts: ended ? stored.attempts : (started?.attempt ?? stored.attempts),
    created_at: iso(head.createdAtMs),
    ...(startedAtMs === null ? {} : { started_at: iso(startedAtMs) }),
    ...(stored.completedAtMs === null ? {} : { completed_at: iso(stored.completedAtMs) }),
    ...(stored.metadata === null
      ? {}
      : { metadata: read(stored.metadata, "metadata") as Record<string, unknown> }),
  };
}
