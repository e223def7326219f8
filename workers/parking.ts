import { parkDelay } from "../core/attempt/delay.ts";
import { createAlarm } from "./alarm.ts";
import type { Conclusions } from "./conclude.ts";
import type { Held } from "./held.ts";
import type { Pool } from "./pool.ts";
import type { WorkerConfig, WorkerPorts } from "./ports.ts";

/** Watches over waiting times: wakes the pool when a breaker may be probed, parks what waits for its model too long. */
export interface Parking {
  /** Something waits. Cheap: called whenever a turn was given or ended. */
  watch: () => void;
  stop: () => void;
}

/** `onParked` is called once for each parked delivery, when it has been concluded. */
export function createParking(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "now" | "schedule" | "random" | "metrics" | "log">,
  pool: Pool,
  conclusions: Pick<Conclusions, "park">,
  onParked: (held: Held) => void,
): Parking {
  const alarm = createAlarm(ports, () => {
    parkOverdue();
    pool.startTurns();
    const dueMs = pool.waiting().map(({ parkAtMs }) => parkAtMs);
    alarm.setAt(Math.min(...dueMs, pool.nextOpeningMs()));
  });

  /** A suspect stays: the delay queue would clear the count that makes it one. */
  function parkOverdue(): void {
    const nowMs = ports.now();
    const parkMs = config().worker.park_ms;
    const isOverdue = (held: Held): boolean => held.parkAtMs <= nowMs;
    const toPark = pool.takeWaiting(
      (held) => isOverdue(held) && !held.suspect && pool.isBlocked(held),
    );
    for (const held of toPark) void park(held, parkMs);
    // What merely waits for an actor keeps its place: a delay queue would not make one free.
    for (const held of pool.waiting()) if (isOverdue(held)) held.parkAtMs = nowMs + parkMs;
  }

  async function park(held: Held, parkMs: number): Promise<void> {
    const delay = parkDelay(config().retry.delays_ms, parkMs, ports.random());
    ports.metrics.worker_attempts_total.add(1, held.request.head.model, "parked");
    try {
      await conclusions.park(held, delay);
    } catch (error) {
      ports.log.error({ err: error }, "parking failed");
      held.delivery.requeue();
    } finally {
      onParked(held);
    }
  }

  return {
    watch() {
      // The first of those that wait came first, and what comes later is due later.
      const [first] = pool.waiting();
      if (first !== undefined) alarm.setAt(Math.min(first.parkAtMs, pool.nextOpeningMs()));
    },
    stop: alarm.stop,
  };
}
