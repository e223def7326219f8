import { describeError } from "../adapters/terminal/failure.ts";

const LOOK_EVERY_MS = 1_000;

export interface Wait {
  limitMs: number;
  everyMs?: number;
  signal: AbortSignal;
}

/**
 * Looks again and again until there is something to see, and returns it. A look may fail: a server that is
 * killed on purpose does not answer.
 *
 * @throws after the limit, with what was awaited and how the last look failed; at once when `signal` aborts
 */
export async function until<Value>(
  what: string,
  { limitMs, everyMs = LOOK_EVERY_MS, signal }: Wait,
  look: () => Promise<Value | undefined>,
): Promise<Value> {
  const deadlineMs = performance.now() + limitMs;
  let failure = "";
  for (;;) {
    signal.throwIfAborted();
    try {
      const value = await look();
      if (value !== undefined) return value;
      failure = "";
    } catch (error) {
      failure = ` (${describeError(error)})`;
    }
    if (performance.now() > deadlineMs)
      throw new Error(`${what}: not within ${Math.round(limitMs / 1_000)} s${failure}`);
    await pause(everyMs, signal);
  }
}

/** Resolves after `ms`. @throws as soon as `signal` aborts */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const ended = Promise.withResolvers<void>();
  const abort = (): void => ended.reject(signal.reason);
  const timer = setTimeout(ended.resolve, ms);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await ended.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
