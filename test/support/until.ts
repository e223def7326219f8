/** Resolves as soon as `isTrue` holds; throws after `withinMs`. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  withinMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`not true within ${withinMs} ms`);
    await Bun.sleep(10);
  }
}
