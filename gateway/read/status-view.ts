import { isFaultCode } from "../../core/faults.ts";
import { decodeJson, type InferenceResult } from "../../core/payload.ts";
import { isTerminal } from "../../core/request.ts";
import type { StartedHint } from "../../core/attempt/start.ts";
import type { GatewayPorts } from "../ports.ts";
import type { StatusReply } from "../http/schemas.ts";
import type { StoredRequest } from "../../core/stored-request.ts";

const iso = (ms: number): string => new Date(ms).toISOString();

/** A stored request as its owner sees it; opens what is sealed. */
export function statusView(
  stored: StoredRequest,
  started: StartedHint | undefined,
  open: GatewayPorts["open"],
): StatusReply {
  const ended = isTerminal(stored.state);
  const startedAtMs = stored.startedAtMs ?? started?.startedAtMs ?? null;
  const read = (sealed: Uint8Array, field: "metadata" | "result"): unknown =>
    decodeJson(open(sealed, stored, field));
  return {
    request_id: stored.requestId,
    status: !ended && started !== undefined ? "in_progress" : stored.state,
    model: stored.model,
    ...(stored.result === null ? {} : { result: read(stored.result, "result") as InferenceResult }),
    ...(stored.errorCode === null
      ? {}
      : {
          error: {
            code: isFaultCode(stored.errorCode) ? stored.errorCode : "INTERNAL",
            message: stored.errorMessage ?? "",
          },
        }),
    tokens: {
      estimated: stored.estimatedTokens,
      prompt: stored.promptTokens,
      completion: stored.completionTokens,
      total: stored.totalTokens,
      refunded: ended ? stored.estimatedTokens - (stored.totalTokens ?? 0) : null,
    },
    attempts: ended ? stored.attempts : (started?.attempt ?? stored.attempts),
    created_at: iso(stored.createdAtMs),
    ...(startedAtMs === null ? {} : { started_at: iso(startedAtMs) }),
    ...(stored.completedAtMs === null ? {} : { completed_at: iso(stored.completedAtMs) }),
    ...(stored.metadata === null
      ? {}
      : { metadata: read(stored.metadata, "metadata") as Record<string, unknown> }),
  };
}
