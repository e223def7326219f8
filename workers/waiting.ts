import type { Held } from "./held.ts";

/**
 * Deliveries that wait for their turn, in order of arrival, bounded by the prefetch. Those of one model form a lane; suspects
 * form one of their own, so that a suspect behind a running suspect does not block its model.
 */
export interface Waiting {
  add: (held: Held) => void;
  /** Removes and answers the first one that may run; asks `isEligible` only for the head of each lane. */
  takeFirst: (isEligible: (held: Held) => boolean) => Held | undefined;
  /** Removes and answers all for which `isWanted` holds, in order of arrival. */
  takeAll: (isWanted: (held: Held) => boolean) => Held[];
  all: () => readonly Held[];
  countOf: (model: string) => number;
}

/** A space cannot occur in the name of a model. */
const SUSPECTS = "the suspects";

function laneOf(held: Held): string {
  return held.suspect ? SUSPECTS : held.request.head.model;
}

export function createWaiting(): Waiting {
  let queue: Held[] = [];
  const countOfModel = new Map<string, number>();
  const countOfLane = new Map<string, number>();

  function count(held: Held, change: 1 | -1): void {
    add(countOfModel, held.request.head.model, change);
    add(countOfLane, laneOf(held), change);
  }

  return {
    add(held) {
      queue.push(held);
      count(held, 1);
    },
    takeFirst(isEligible) {
      const blocked = new Set<string>();
      for (let index = 0; blocked.size < countOfLane.size; index += 1) {
        const held = queue[index];
        if (held === undefined) return undefined;
        const lane = laneOf(held);
        if (blocked.has(lane)) continue;
        if (isEligible(held)) {
          queue.splice(index, 1);
          count(held, -1);
          return held;
        }
        blocked.add(lane);
      }
      return undefined;
    },
    takeAll(isWanted) {
      const wanted = queue.filter(isWanted);
      queue = queue.filter((held) => !isWanted(held));
      for (const held of wanted) count(held, -1);
      return wanted;
    },
    all: () => queue,
    countOf: (model) => countOfModel.get(model) ?? 0,
  };
}

function add(counts: Map<string, number>, name: string, change: 1 | -1): void {
  const now = (counts.get(name) ?? 0) + change;
  if (now === 0) counts.delete(name);
  else counts.set(name, now);
}
