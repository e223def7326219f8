const PAUSE_MS = 20;

/**
 * The first value that is not undefined; asks again every few milliseconds. Throws after `withinMs`, naming `what` was awaited and the
 * last error of `read`, if that threw.
 */
export async function eventually<Value>(
  what: string,
  withinMs: number,
  read: () => Value | undefined | Promise<Value | undefined>,
): Promise<Value> {
  const deadlineMs = performance.now() + withinMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await read();
      if (value !== undefined) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadlineMs)
      throw new Error(`${what}: not within ${withinMs} ms`, { cause });
    await Bun.sleep(PAUSE_MS);
  }
}

/** Resolves as soon as `holds` is true. Throws after `withinMs`. */
export async function untilTrue(
  what: string,
  withinMs: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  await eventually(what, withinMs, async () => ((await holds()) ? true : undefined));
}
