/** Classes of a request, the most urgent first. A tier says how far up its users may ask (`priority_max`). */
export const PRIORITIES = ["high", "normal", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Among classes that wait: so many turns of this one in a round. None starves. */
const TURNS: Record<Priority, number> = { high: 16, normal: 4, low: 1 };

/** What waits of one user in one class. */
export interface Turn {
  userId: string;
  priority: Priority;
}

/**
 * The order in which the users of one model take turns: weighted fair by tokens. Each pick costs the
 * logarithm of the users that wait, and the memory is theirs and of those who waited lately.
 */
export interface FairOrder {
  /**
   * The user has requests of this class that wait, since then; harmless when known. Weight: their share
   * beside others', above 0.
   */
  join: (turn: Turn, weight: number, sinceMs?: number) => void;
  /** Nothing of this class waits for the user, or nothing that may run now. */
  leave: (turn: Turn) => void;
  /**
   * Whose turn it is, of equals whose has waited longest; undefined: nobody waits. Asking twice without a
   * charge or a leave gives the same user of the next class.
   */
  next: () => Turn | undefined;
  /** Counts tokens against the user; negative: gives back what was counted too much. */
  charge: (userId: string, tokens: number) => void;
  /** Users that wait, and the sum of their weights. */
  waiting: () => { users: number; weights: number };
  has: (turn: Turn) => boolean;
}

interface Standing {
  /** Tokens divided by the weight. */
  virtual: number;
  weight: number;
  sinceMs: number;
  classes: Set<Priority>;
}

interface Place {
  userId: string;
  virtual: number;
  sinceMs: number;
}

const isBefore = (a: Place, b: Place): boolean =>
  a.virtual < b.virtual || (a.virtual === b.virtual && a.sinceMs < b.sinceMs);

export function createFairOrder(): FairOrder {
  const standings = new Map<string, Standing>();
  const heaps: Record<Priority, Place[]> = { high: [], normal: [], low: [] };
  const credits: Record<Priority, number> = { high: 0, normal: 0, low: 0 };
  let users = 0;
  let weights = 0;

  function enterHeaps(userId: string, { virtual, sinceMs, classes }: Standing): void {
    for (const priority of classes) push(heaps[priority], { userId, virtual, sinceMs });
  }

  /** The first of a class that is still where the heap says; what has moved or left is dropped on the way. */
  function head(priority: Priority): Place | undefined {
    const heap = heaps[priority];
    for (let place = heap[0]; place !== undefined; place = heap[0]) {
      const standing = standings.get(place.userId);
      const isCurrent = standing?.classes.has(priority) && standing.virtual === place.virtual;
      if (isCurrent === true) return place;
      pop(heap);
    }
    return undefined;
  }

  /** Smooth weighted round robin: the classes that wait get their turns evenly spread. */
  function nextClass(): Priority | undefined {
    const present = PRIORITIES.filter((priority) => head(priority) !== undefined);
    let best: Priority | undefined;
    let sum = 0;
    for (const priority of present) {
      credits[priority] += TURNS[priority];
      sum += TURNS[priority];
      if (best === undefined || credits[priority] > credits[best]) best = priority;
    }
    if (best !== undefined) credits[best] -= sum;
    return best;
  }

  /**
   * The least virtual time of those who wait: whoever comes (back) begins there, so that nobody saves up
   * while away. It must be asked for then: charges are estimates, and of what is given back later a newcomer
   * would have to wait until the others had used it up.
   */
  function least(): number {
    let found: number | undefined;
    for (const priority of PRIORITIES) {
      const virtual = head(priority)?.virtual;
      if (virtual !== undefined) found = Math.min(found ?? virtual, virtual);
    }
    return found ?? 0;
  }

  /** Whoever is away and has nothing ahead of those who wait is as good as new. */
  function forgetIdle(): void {
    const begin = least();
    for (const [userId, { classes, virtual }] of standings)
      if (classes.size === 0 && virtual <= begin) standings.delete(userId);
  }
  let idleMax = 1_024;

  return {
    join({ userId, priority }, weight, sinceMs = 0) {
      const known = standings.get(userId);
      if (known?.classes.has(priority) === true) return;
      const begin = least();
      const standing = known ?? { virtual: begin, weight, sinceMs, classes: new Set() };
      standings.set(userId, standing);
      if (standing.classes.size === 0) {
        standing.virtual = Math.max(standing.virtual, begin);
        standing.weight = weight;
        standing.sinceMs = sinceMs;
        users += 1;
        weights += weight;
      }
      standing.classes.add(priority);
      push(heaps[priority], { userId, virtual: standing.virtual, sinceMs: standing.sinceMs });
    },
    leave({ userId, priority }) {
      const standing = standings.get(userId);
      if (standing === undefined || !standing.classes.delete(priority)) return;
      if (standing.classes.size > 0) return;
      users -= 1;
      weights -= standing.weight;
      if (users === 0) {
        // Nobody waits: what anybody had ahead of others no longer matters.
        standings.clear();
        weights = 0;
        return;
      }
      if (standings.size - users <= idleMax) return;
      forgetIdle();
      // Looking through them costs no more than as many leaves.
      idleMax = Math.max(1_024, 2 * (standings.size - users));
    },
    next() {
      const priority = nextClass();
      const place = priority === undefined ? undefined : head(priority);
      if (priority === undefined || place === undefined) return undefined;
      return { userId: place.userId, priority };
    },
    charge(userId, tokens) {
      const standing = standings.get(userId);
      if (standing === undefined) return;
      standing.virtual += tokens / standing.weight;
      enterHeaps(userId, standing);
    },
    waiting: () => ({ users, weights }),
    has: ({ userId, priority }) => standings.get(userId)?.classes.has(priority) === true,
  };
}

function push(heap: Place[], place: Place): void {
  let at = heap.length;
  heap.push(place);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !isBefore(place, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = place;
}

function pop(heap: Place[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    const [a, b] = [heap[left], heap[left + 1]];
    if (a === undefined) break;
    const child = b !== undefined && isBefore(b, a) ? left + 1 : left;
    const below = heap[child];
    if (below === undefined || !isBefore(below, last)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
}
