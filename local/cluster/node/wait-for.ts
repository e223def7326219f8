const PAUSE_MS = 250;

export interface Watch {
  signal: AbortSignal;
  /** Throws when there is nothing to wait for any more. */
  check: () => void;
}

/**
 * Returns the first value that is not undefined. What `read` throws is no value yet.
 *
 * @throws after `limitMs`, with the last error of `read`; when aborted; what `check` throws
 */
export async function waitFor<Value>(
  what: string,
  limitMs: number,
  { signal, check }: Watch,
  read: () => Promise<Value | undefined>,
): Promise<Value> {
  const deadlineMs = performance.now() + limitMs;
  let cause: unknown;
  for (;;) {
    signal.throwIfAborted();
    check();
    try {
      const value = await read();
      if (value !== undefined) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadlineMs) {
      const why = cause instanceof Error ? `: ${cause.message}` : "";
      throw new Error(`not within ${limitMs / 1000} s: ${what}${why}`, { cause });
    }
    await Bun.sleep(PAUSE_MS);
  }
}
