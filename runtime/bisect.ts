/** One item of a batch came through with a value, or failed alone. */
export type ItemOutcome<Outcome> = { ok: true; value: Outcome } | { ok: false; error: unknown };

/**
 * Runs a batch; when it fails for a reason that lies in its items (`isItemFault`), halves it until only the
 * bad items fail alone. Any other error (server gone, deadline) fails the batch as a whole at once: trying
 * its halves would only multiply the load.
 *
 * @throws what `run` throws, unless `isItemFault`
 */
export async function runBisected<Item, Outcome>(
  items: Item[],
  run: (items: Item[]) => Promise<Outcome[]>,
  isItemFault: (error: unknown) => boolean,
): Promise<ItemOutcome<Outcome>[]> {
  if (items.length === 0) return [];
  try {
    return (await run(items)).map((value) => ({ ok: true, value }));
  } catch (error) {
    if (!isItemFault(error)) throw error;
    if (items.length === 1) return [{ ok: false, error }];
    const middle = items.length >> 1;
    return [
      ...(await runBisected(items.slice(0, middle), run, isItemFault)),
      ...(await runBisected(items.slice(middle), run, isItemFault)),
    ];
  }
}
