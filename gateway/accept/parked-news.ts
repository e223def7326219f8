import type { ParkedRef } from "../../core/queue/lane.ts";
import type { GatewayPorts } from "../ports.ts";

/** Tells the dispatcher whose requests were parked, so that it need not find them first. */
export interface ParkedNews {
  /** Call it after the commit. Never throws, never waits. */
  tell: (parked: ParkedRef) => void;
}

/** Between two announcements of one gateway; the dispatcher looks no more often than that either. */
const PAUSE_MS = 50;
/** More are left out: whoever is missed the dispatcher finds by itself, within seconds. */
const REFS_MAX = 1_000;

/** Everybody is told of once in each announcement, however much of theirs was parked. */
export function createParkedNews(
  ports: Pick<GatewayPorts, "log" | "now" | "schedule" | "announceParked">,
): ParkedNews {
  const fresh = new Map<string, ParkedRef>();
  let isScheduled = false;
  let nextAtMs = 0;

  async function announce(): Promise<void> {
    isScheduled = false;
    nextAtMs = ports.now() + PAUSE_MS;
    const parked = [...fresh.values()];
    fresh.clear();
    try {
      await ports.announceParked(parked);
    } catch (error) {
      ports.log.debug(
        { err: error },
        "the dispatcher is not told of parked requests; it will look",
      );
    }
  }

  return {
    tell: (parked) => {
      if (fresh.size >= REFS_MAX) return;
      fresh.set(`${parked.model} ${parked.userId} ${parked.priority}`, parked);
      if (isScheduled) return;
      isScheduled = true;
      ports.schedule(() => void announce(), Math.max(0, nextAtMs - ports.now()));
    },
  };
}
