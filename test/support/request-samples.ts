import { randomUUIDv7 } from "bun";

import type { Finish } from "../../core/request/finish.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import { dayOf } from "../../core/quota/windows.ts";

export const HOUR_MS = 3_600_000;
export const PUBLISHER = randomUUIDv7();
/** Content is ciphertext, so any bytes do: these include NUL and what is no UTF-8. */
export const SEALED = Buffer.from([0, 255, 92, 34, 44, 125, 0]);

export function newRequest(
  overrides: Partial<NewRequest> & {
    userId?: string;
    createdAtMs?: number;
    estimatedTokens?: number;
    expiresAtMs?: number;
    windowDay?: string;
    model?: string;
  } = {},
): NewRequest {
  const {
    userId,
    createdAtMs = Date.now(),
    estimatedTokens = 100,
    expiresAtMs = createdAtMs + HOUR_MS,
    windowDay = dayOf(createdAtMs),
    model = "sim-chat",
    ...rest
  } = overrides;
  return {
    head: {
      requestId: randomUUIDv7("hex", createdAtMs),
      userId: userId ?? crypto.randomUUID(),
      model,
      windowDay,
      estimatedTokens,
      createdAtMs,
      expiresAtMs,
    },
    publisherId: PUBLISHER,
    prompt: SEALED,
    metadata: null,
    acceptUntilMs: Date.now() + HOUR_MS,
    idempotency: null,
    priority: "normal",
    isParked: false,
    ...rest,
  };
}

/** A completed request of 10 + 20 tokens, 4 of them from a cache and 6 of hidden reasoning. */
export function completion(requestId: string, overrides: Partial<Finish> = {}): Finish {
  return {
    requestId,
    state: "completed",
    attempts: 1,
    startedAtMs: 1_795_000_000_000,
    completedAtMs: 1_795_000_001_234,
    usage: {
      promptTokens: 10,
      completionTokens: 20,
      cachedTokens: 4,
      reasoningTokens: 6,
      source: "reported",
    },
    error: null,
    result: SEALED,
    ...overrides,
  };
}

/** The end of a request that was executed so often, each time in vain. */
export function inVain(requestId: string, executions: number): Finish {
  return { ...ending(requestId, "failed"), attempts: executions };
}

/** An end without execution, which bills nothing. */
export function ending(requestId: string, state: "cancelled" | "expired" | "failed"): Finish {
  return completion(requestId, {
    state,
    attempts: 0,
    startedAtMs: null,
    usage: null,
    result: null,
    error: { code: "CANCELLED", message: 'by "the" caller, {really}' },
  });
}
