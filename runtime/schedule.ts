/** Calls back after `ms`; returns a function that cancels it. */
export type Schedule = (callback: () => void, ms: number) => () => void;

/** Resolves after `ms`, or at once when the signal aborts. Leaves neither timer nor listener behind. */
export function pause(schedule: Schedule, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = schedule(end, ms);
    signal.addEventListener("abort", end);
  });
}
