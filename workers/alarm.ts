import type { WorkerPorts } from "./ports.ts";

/** One timer for the earliest of many due times. May ring early; whoever is rung looks at the clock and sets it again. */
export interface Alarm {
  /** Rings by then, if not before; Unix milliseconds, infinity: nothing is due. */
  setAt: (atMs: number) => void;
  /** Rings no more. */
  stop: () => void;
}

export function createAlarm(
  { now, schedule }: Pick<WorkerPorts, "now" | "schedule">,
  ring: () => void,
): Alarm {
  let armed: { atMs: number; callOff: () => void } | null = null;
  let isStopped = false;

  return {
    setAt(atMs) {
      // An earlier timer is left to ring: re-arming for every delivery would cost more than one look in vain.
      if (isStopped || !Number.isFinite(atMs) || (armed !== null && armed.atMs <= atMs)) return;
      armed?.callOff();
      const callOff = schedule(
        () => {
          armed = null;
          ring();
        },
        Math.max(1, atMs - now()),
      );
      armed = { atMs, callOff };
    },
    stop() {
      isStopped = true;
      armed?.callOff();
      armed = null;
    },
  };
}
