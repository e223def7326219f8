/**
 * Runs a task for a key, or joins the one that is under way for it: then what that one returns or throws is
 * shared.
 */
export type SingleFlight<Key, Result> = (key: Key, task: () => Promise<Result>) => Promise<Result>;

/** At most one task at a time for each key. What has ended is not remembered: the next call runs its task. */
export function createSingleFlight<Key, Result>(): SingleFlight<Key, Result> {
  const underWay = new Map<Key, Promise<Result>>();
  return (key, task) => {
    const shared = underWay.get(key);
    if (shared !== undefined) return shared;
    const started = task().finally(() => underWay.delete(key));
    underWay.set(key, started);
    return started;
  };
}
