import { Fault } from "../../core/faults.ts";
import type { Log } from "../../runtime/log.ts";
import type { Readiness } from "../metrics/server.ts";

/**
 * What a role cannot begin without, by the names that its readiness shows. Each asks once, in bounded time;
 * it throws a fault that may pass while that is not there.
 */
export type Needs = Readonly<Record<string, () => Promise<unknown>>>;

export interface StartWait {
  /**
   * Resolves when all are there, however long that takes: a process that ended instead would be started again
   * and again, with growing pauses.
   *
   * @throws at once what waiting does not mend
   */
  untilThere: (needs: Needs) => Promise<void>;
  /**
   * Runs a step that needs what has this name until it succeeds, because that may have gone meanwhile.
   * A step that throws must have begun nothing.
   *
   * @throws at once what waiting does not mend
   */
  untilDone: <Result>(name: string, step: () => Promise<Result>) => Promise<Result>;
  /** What is there so far; `started` is false for as long as this is asked. */
  readiness: () => Promise<Readiness>;
}

export interface StartWaitOptions {
  log: Pick<Log, "warn" | "info">;
  now: () => number;
  pause: (ms: number) => Promise<void>;
}

const PAUSE_MS = 500;
const TELL_EVERY_MS = 30_000;

export function createStartWait({ log, now, pause }: StartWaitOptions): StartWait {
  const isThere: Record<string, boolean> = {};

  let hasWaited = false;

  async function until<Result>(name: string, ask: () => Promise<Result>): Promise<Result> {
    isThere[name] = false;
    let toldAtMs = -Infinity;
    for (;;) {
      try {
        const result = await ask();
        isThere[name] = true;
        if (toldAtMs > -Infinity) log.info({ found: name }, "what was missing is there");
        return result;
      } catch (error) {
        if (!(error instanceof Fault) || !error.spec.retryable) throw error;
        if (now() - toldAtMs >= TELL_EVERY_MS) {
          toldAtMs = now();
          log.warn({ missing: name, err: error }, "waiting for what is missing");
        }
        hasWaited = true;
        await pause(PAUSE_MS);
      }
    }
  }

  return {
    untilThere: async (needs) => {
      // What was there when another one was missing may have gone meanwhile: once more, until all are.
      do {
        hasWaited = false;
        await Promise.all(Object.entries(needs).map(([name, ask]) => until(name, ask)));
      } while (hasWaited);
    },
    untilDone: until,
    readiness: () => Promise.resolve({ ...isThere, started: false }),
  };
}
