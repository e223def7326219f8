import type { Schedule } from "./schedule.ts";

/**
 * Runs `task` again and again, `pauseMs()` after its last end; returns a function that stops it. `task` must
 * not reject.
 */
export function repeat(
  schedule: Schedule,
  task: () => Promise<void>,
  pauseMs: () => number,
): () => void {
  let stopped = false;
  let cancel = (): void => {};
  function next(): void {
    if (!stopped) cancel = schedule(() => void task().finally(next), pauseMs());
  }
  next();
  return () => {
    stopped = true;
    cancel();
  };
}
