import { isFaultCode } from "../../core/faults.ts";
import type { Finish } from "../../core/request/finish.ts";
import type { NewRequest, StoredRequest } from "../../core/request/stored-request.ts";

/** The gateway of a test world. */
export const PUBLISHER = "gateway-1";

/** A request, in the form in which it is read, as a gateway stored it. */
export function rowOf(request: StoredRequest): NewRequest {
  const { requestId, userId, model, estimatedTokens, createdAtMs, metadata } = request;
  const expiresAtMs = createdAtMs + 86_400_000;
  return {
    head: {
      requestId,
      userId,
      model,
      windowDay: "2026-11-21",
      estimatedTokens,
      createdAtMs,
      expiresAtMs,
    },
    publisherId: PUBLISHER,
    prompt: new Uint8Array([1]),
    metadata,
    acceptUntilMs: Number.POSITIVE_INFINITY,
    idempotency: null,
    priority: "normal",
    isParked: false,
  };
}

/** How it ended; undefined: it waits. */
export function endOf({ state, ...request }: StoredRequest): Finish | undefined {
  if (state === "queued") return undefined;
  const { requestId, attempts, startedAtMs, completedAtMs, totalTokens, result } = request;
  const { promptTokens, errorCode, errorMessage } = request;
  const prompt = promptTokens ?? 0;
  return {
    requestId,
    state,
    attempts,
    startedAtMs,
    completedAtMs: completedAtMs ?? request.createdAtMs,
    usage:
      totalTokens === null
        ? null
        : { promptTokens: prompt, completionTokens: totalTokens - prompt, source: "reported" },
    error:
      errorCode !== null && isFaultCode(errorCode)
        ? { code: errorCode, message: errorMessage ?? "" }
        : null,
    result,
  };
}
