import { parkDelay } from "../core/attempt/delay.ts";
import type { Conclusions } from "./attempt/conclude.ts";
import type { Deliveries } from "./deliveries/deliveries.ts";
import type { OwnedDelivery } from "./deliveries/owned.ts";
import type { Gates } from "./gates.ts";
import type { WorkerConfig, WorkerPorts } from "./ports.ts";

/**
 * Watches over waiting times: has turns started when a breaker may be probed, parks what waits for its model
 * too long.
 */
export interface Parking {
  /** Something waits. Cheap: called whenever a turn was given or ended. */
  watch: () => void;
  stop: () => void;
}

export interface ParkingNeighbours {
  deliveries: Pick<Deliveries, "waiting" | "remove">;
  gates: Pick<Gates, "mayStart" | "nextOpeningMs">;
  conclusions: Pick<Conclusions, "park">;
  startTurns: () => void;
}

export function createParking(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "now" | "schedule" | "random" | "metrics" | "log">,
  { deliveries, gates, conclusions, startTurns }: ParkingNeighbours,
): Parking {
  const { waiting } = deliveries;
  const alarm = createAlarm(ports, () => {
    parkOverdue();
    startTurns();
    const dueMs = waiting.all().map(({ parkAtMs }) => parkAtMs);
    alarm.setAt(Math.min(...dueMs, gates.nextOpeningMs()));
  });

  /** A suspect stays: the delay queue would clear the count that makes it one. */
  function parkOverdue(): void {
    const nowMs = ports.now();
    const parkMs = config().worker.park_ms;
    const isOverdue = (owned: OwnedDelivery): boolean => owned.parkAtMs <= nowMs;
    const toPark = waiting.takeAll(
      (owned) => isOverdue(owned) && !owned.isSuspect && !gates.mayStart(owned),
    );
    for (const owned of toPark) void park(owned, parkMs);
    // What merely waits for an actor keeps its place: a delay queue would not make one free.
    for (const owned of waiting.all()) if (isOverdue(owned)) owned.parkAtMs = nowMs + parkMs;
  }

  async function park(owned: OwnedDelivery, parkMs: number): Promise<void> {
    const delay = parkDelay(config().retry.delays_ms, parkMs, ports.random());
    ports.metrics.worker_attempts_total.add(1, owned.request.head.model, "parked");
    try {
      await conclusions.park(owned, delay);
    } catch (error) {
      ports.log.error({ err: error }, "parking failed");
      owned.delivery.requeue();
    } finally {
      deliveries.remove(owned);
    }
  }

  return {
    watch() {
      // The first of those that wait came first, and what comes later is due later.
      const [first] = waiting.all();
      if (first !== undefined) alarm.setAt(Math.min(first.parkAtMs, gates.nextOpeningMs()));
    },
    stop: alarm.stop,
  };
}

/**
 * One timer for the earliest of many due times. May ring early: whoever is rung looks at the clock and sets
 * it again.
 */
interface Alarm {
  /** Rings by then, if not before; Unix milliseconds, infinity: nothing is due. */
  setAt: (atMs: number) => void;
  /** It does not ring any more. */
  stop: () => void;
}

function createAlarm(
  { now, schedule }: Pick<WorkerPorts, "now" | "schedule">,
  ring: () => void,
): Alarm {
  let armed: { atMs: number; callOff: () => void } | null = null;
  let isStopped = false;

  return {
    setAt(atMs) {
      // An earlier timer is left to ring: setting it anew for every delivery would cost more than one look in
      // vain.
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
