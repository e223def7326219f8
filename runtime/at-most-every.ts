import { restAfterMs } from "./rest.ts";

/** Runs a task now and then, however often it is offered. */
export interface AtMostEvery {
  /** Runs the task if it is due. Throws what the task throws; it is then still due. */
  run: (task: () => Promise<void>) => Promise<void>;
  makeDue: () => void;
}

/** At most every `everyMs`, and after a rest of nine times as long as it took. `now` in milliseconds. */
export function createAtMostEvery(now: () => number, everyMs: number): AtMostEvery {
  let dueAtMs = Number.NEGATIVE_INFINITY;
  return {
    run: async (task) => {
      const startedAtMs = now();
      if (startedAtMs < dueAtMs) return;
      await task();
      dueAtMs = now() + Math.max(everyMs, restAfterMs(now() - startedAtMs));
    },
    makeDue: () => {
      dueAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}
