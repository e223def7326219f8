const PAUSE_MS = 20;

/**
 * Returns the first value that is not undefined; reads again every few milliseconds.
 *
 * @throws after `withinMs`, naming `what` was awaited; the cause is the last error of `read`, if that threw
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

/** Resolves as soon as `holds` is true. @throws after `withinMs` */
export async function untilTrue(
  what: string,
  withinMs: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  await eventually(what, withinMs, async () => ((await holds()) ? true : undefined));
}
