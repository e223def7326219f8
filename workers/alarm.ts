import type { WorkerPorts } from "./ports.ts";

/** One timer for the earliest of many due times. May ring early; whoever is rung looks at the clock and sets it again. */
export interface Alarm {
  /** Unix milliseconds; infinity: nothing is due. */
  setAt: (atMs: number) => void;
}

export function createAlarm(
  { now, schedule }: Pick<WorkerPorts, "now" | "schedule">,
  ring: () => void,
): Alarm {
  let armed: { atMs: number; callOff: () => void } | null = null;

  function disarm(): void {
    armed?.callOff();
    armed = null;
  }

  return {
    setAt(atMs) {
      // An earlier timer is left to ring: re-arming for every delivery would cost more than one look in vain.
      if (armed !== null && Number.isFinite(atMs) && armed.atMs <= atMs) return;
      disarm();
      if (!Number.isFinite(atMs)) return;
      const callOff = schedule(
        () => {
          armed = null;
          ring();
        },
        Math.max(1, atMs - now()),
      );
      armed = { atMs, callOff };
    },
  };
}
