import type { Target } from "./addresses.ts";

/** How long a replica that is away is left out; it doubles with each failure in a row. */
const PAUSE_FIRST_MS = 1_000;
const PAUSE_LONGEST_MS = 60_000;
/** Replicas that are remembered; the one that was added first is forgotten first. */
const REPLICAS_MAX = 10_000;

interface Replica {
  underWay: number;
  failures: number;
  pausedUntilMs: number;
  /** Counts calls, so that replicas with as many calls under way take turns. */
  lastCall: number;
}

/** Spreads calls over the replicas of a service. */
export interface Replicas {
  /**
   * Acts on the replica with the fewest calls under way here. When it is away by what `isAway` says of the
   * reply, the next one is tried, each once: the request was not seen. Returns the last reply.
   */
  call: <Reply>(
    targets: readonly Target[],
    act: (target: Target) => Promise<Reply>,
    isAway: (reply: Reply) => boolean,
  ) => Promise<Reply>;
}

export function createReplicas(nowMs: () => number): Replicas {
  const known = new Map<string, Replica>();
  let calls = 0;

  function replicaOf({ url }: Target): Replica {
    const found = known.get(url);
    if (found !== undefined) return found;
    const made = { underWay: 0, failures: 0, pausedUntilMs: 0, lastCall: 0 };
    known.set(url, made);
    for (const [oldest, { underWay }] of known) {
      if (known.size <= REPLICAS_MAX) break;
      if (underWay === 0) known.delete(oldest);
    }
    return made;
  }

  /** Those that work in front, by load; then those that are left out, by the end of their pause. */
  function byTurn(a: Replica, b: Replica): number {
    const now = nowMs();
    const pause = ({ pausedUntilMs }: Replica): number => Math.max(pausedUntilMs, now);
    return pause(a) - pause(b) || a.underWay - b.underWay || a.lastCall - b.lastCall;
  }

  async function callOne<Reply>(
    replica: Replica,
    act: () => Promise<Reply>,
    isAway: (reply: Reply) => boolean,
  ): Promise<{ reply: Reply; away: boolean }> {
    calls += 1;
    replica.lastCall = calls;
    replica.underWay += 1;
    try {
      const reply = await act();
      const away = isAway(reply);
      replica.failures = away ? replica.failures + 1 : 0;
      const pauseMs = Math.min(PAUSE_FIRST_MS * 2 ** (replica.failures - 1), PAUSE_LONGEST_MS);
      replica.pausedUntilMs = away ? nowMs() + pauseMs : 0;
      return { reply, away };
    } finally {
      replica.underWay -= 1;
    }
  }

  return {
    async call(targets, act, isAway) {
      const left = new Map(targets.map((target) => [replicaOf(target), target]));
      for (;;) {
        const [replica] = [...left.keys()].sort(byTurn);
        const target = replica && left.get(replica);
        if (replica === undefined || target === undefined) throw new Error("there is no replica");
        left.delete(replica);
        const { reply, away } = await callOne(replica, () => act(target), isAway);
        if (!away || left.size === 0) return reply;
      }
    },
  };
}
