import type { DeltaEntry } from "../../core/request/delta-entry.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";
import { pause } from "../../runtime/schedule.ts";
import type { GatewayPorts } from "../ports.ts";

/** Somebody who reads along while an answer is made. */
export interface Follower {
  ref: RequestRef;
  /** Where to go on from; moves on with what was handed over. */
  after: string;
  /** Whether it can take more now: a slow reader leaves the pieces where they are. */
  isReady: () => boolean;
  onEntries: (entries: readonly DeltaEntry[]) => void;
}

/** Reads the pieces of all answers that somebody at this gateway follows, together. */
export interface Followers {
  /** Returns how to stop. */
  follow: (follower: Follower) => () => void;
  /** Resolves when a follower has what was there when this was called, or its reader is too slow for it. */
  catchUp: (follower: Follower) => Promise<void>;
  /** As `catchUp`, and waits for a slow reader until the signal aborts. */
  catchUpSlowly: (follower: Follower, signal: AbortSignal) => Promise<void>;
  count: () => number;
}

type Ports = Pick<GatewayPorts, "readDeltas" | "schedule" | "log">;

/** Between two looks, while somebody follows. */
const LOOK_MS = 15;
/** After a look that failed. */
const FAILED_MS = 500;
/** Reads of one follower in a row, when it catches up. */
const CATCH_UP_MAX = 1_000;
/** Between two looks whether a slow reader can take more. */
const SLOW_MS = 50;
/** Streams asked for in one command. */
const TOGETHER_MAX = 500;

export function createFollowers(ports: Ports): Followers {
  const all = new Set<Follower>();
  let isLooking = false;
  let present: Promise<unknown> = Promise.resolve();

  /** Returns whether something came. */
  async function look(followers: readonly Follower[]): Promise<boolean> {
    const replies = await ports.readDeltas(followers.map(({ ref, after }) => ({ ...ref, after })));
    let hasCome = false;
    for (const [index, follower] of followers.entries()) {
      const entries = replies[index] ?? [];
      const last = entries.at(-1);
      if (last === undefined) continue;
      hasCome = true;
      follower.after = last.position;
      follower.onEntries(entries);
    }
    return hasCome;
  }

  async function lookAtAll(): Promise<number> {
    const ready = [...all].filter(({ isReady }) => isReady());
    try {
      for (let from = 0; from < ready.length; from += TOGETHER_MAX)
        await look(ready.slice(from, from + TOGETHER_MAX));
      return LOOK_MS;
    } catch (error) {
      ports.log.debug({ err: error }, "cannot read pieces now");
      return FAILED_MS;
    }
  }

  function lookOn(afterMs: number): void {
    ports.schedule(() => {
      if (all.size === 0) {
        isLooking = false;
        return;
      }
      const looking = lookAtAll();
      present = looking;
      void looking.then(lookOn);
    }, afterMs);
  }

  async function catchUp(follower: Follower): Promise<void> {
    // Two looks at once would hand over the same twice.
    all.delete(follower);
    await present;
    for (let reads = 0; reads < CATCH_UP_MAX && follower.isReady(); reads += 1)
      if (!(await look([follower]).catch(() => false))) return;
  }

  return {
    catchUp,
    async catchUpSlowly(follower, signal) {
      for (;;) {
        await catchUp(follower);
        if (follower.isReady() || signal.aborted) return;
        await pause(ports.schedule, SLOW_MS, signal);
      }
    },
    follow(follower) {
      all.add(follower);
      if (!isLooking) {
        isLooking = true;
        lookOn(0);
      }
      return () => all.delete(follower);
    },
    count: () => all.size,
  };
}
