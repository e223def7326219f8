import type { OwnedDelivery } from "./owned.ts";

/**
 * Deliveries that wait for their turn, in order of arrival; the prefetches bound them. Those of one model
 * form a lane; its suspects form one of their own, so that a suspect behind a running suspect does not block
 * its model, nor one of a busy model those of another.
 */
export interface Waiting {
  add: (owned: OwnedDelivery) => void;
  /** Removes and returns the first one that may start; asks `mayStart` only for the head of each lane. */
  takeFirst: (mayStart: (owned: OwnedDelivery) => boolean) => OwnedDelivery | undefined;
  /** Removes and returns all that are wanted, in order of arrival. */
  takeAll: (isWanted: (owned: OwnedDelivery) => boolean) => OwnedDelivery[];
  all: () => readonly OwnedDelivery[];
  countOf: (model: string) => number;
}

function laneOf({ isSuspect, request: { head } }: OwnedDelivery): string {
  // The name of a model cannot contain a space.
  return isSuspect ? `suspects of ${head.model}` : head.model;
}

export function createWaiting(): Waiting {
  let queue: OwnedDelivery[] = [];
  const countOfModel = new Map<string, number>();
  const countOfLane = new Map<string, number>();

  function count(owned: OwnedDelivery, change: 1 | -1): void {
    add(countOfModel, owned.request.head.model, change);
    add(countOfLane, laneOf(owned), change);
  }

  return {
    add(owned) {
      queue.push(owned);
      count(owned, 1);
    },
    takeFirst(mayStart) {
      const blocked = new Set<string>();
      for (let index = 0; blocked.size < countOfLane.size; index += 1) {
        const owned = queue[index];
        if (owned === undefined) return undefined;
        const lane = laneOf(owned);
        if (blocked.has(lane)) continue;
        if (mayStart(owned)) {
          queue.splice(index, 1);
          count(owned, -1);
          return owned;
        }
        blocked.add(lane);
      }
      return undefined;
    },
    takeAll(isWanted) {
      const wanted = queue.filter(isWanted);
      queue = queue.filter((owned) => !isWanted(owned));
      for (const owned of wanted) count(owned, -1);
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
