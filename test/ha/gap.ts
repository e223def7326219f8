import type { Load } from "../../history/load.ts";
import { countCompleted } from "../faults/progress.ts";
import type { Api } from "../../history/api.ts";
import type { TestStack } from "../support/stack/stack.ts";

/** Watches for how long at a time something does not go on. */
export interface Gap {
  /** Ends it; returns the longest time without success, milliseconds. */
  stop: () => Promise<number>;
}

const LOOK_MS = 10;
const ASK_MS = 50;
const ANSWER_LIMIT_MS = 3_000;

function watch(everyMs: number, hasGoneOn: () => boolean | Promise<boolean>): Gap {
  const over = new AbortController();
  let lastMs = performance.now();
  let longestMs = 0;
  const note = (): void => {
    longestMs = Math.max(longestMs, performance.now() - lastMs);
  };
  const watching = (async () => {
    while (!over.signal.aborted) {
      if (await hasGoneOn()) {
        note();
        lastMs = performance.now();
      }
      await Bun.sleep(everyMs);
    }
    note();
  })();
  return {
    stop: async () => {
      over.abort();
      await watching;
      return Math.round(longestMs);
    },
  };
}

/** Of a count that rises. */
function watchCount(everyMs: number, read: () => number | Promise<number>): Gap {
  let before = 0;
  return watch(everyMs, async () => {
    const now = await read();
    const hasGoneOn = now > before;
    before = now;
    return hasGoneOn;
  });
}

/** Of requests that are accepted, whosever they are. */
export const watchAccepts = (load: Load): Gap =>
  watchCount(LOOK_MS, () => load.counts().acknowledged);

/** Of requests that are completed. */
export const watchCompletions = (stack: TestStack): Gap =>
  watchCount(ASK_MS, () => countCompleted(stack));

/** Of the answers to one user who asks for what is left of the quota, which Redis has to say. */
export function watchQuota(api: Api): Gap {
  return watch(ASK_MS, async () => {
    try {
      return (await api.call("/quota", {}, ANSWER_LIMIT_MS)).status === 200;
    } catch {
      return false;
    }
  });
}
