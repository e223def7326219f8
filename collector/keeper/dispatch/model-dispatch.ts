import { createFairOrder, type FairOrder, type Turn } from "../../../core/queue/fair-order.ts";
import { leaveOf, type ModelHealth } from "../../../core/queue/model-health.ts";
import type { ParkedPlace } from "../../../core/queue/parked.ts";

/** A request that has its turn now. */
export interface Picked extends ParkedPlace {
  userId: string;
}

export interface PickedTurns {
  picked: Picked[];
  /** No turn could be given: nobody waits, or nobody whose requests may run now. */
  isOver: boolean;
}

/** The parked requests of one model: whose turn it is, and what a turn cost. */
export interface ModelDispatch {
  order: FairOrder;
  /**
   * Takes up to `room` turns. Requests are read afterwards, for all turns at once, by `read`, which is given
   * how many each turn got; so a turn is charged by a guess first and by its request's estimate then.
   */
  pick: (room: number, health: ModelHealth, atMs: number, read: ReadNext) => Promise<PickedTurns>;
  /** A dispatched request has ended: its estimate is replaced by what was billed. */
  ended: (requestId: string, tokens: number) => void;
  /** Requests that were dispatched and are not known to have ended, oldest first; bounded. */
  dispatched: () => string[];
  /** What was picked did not leave: as if it had not been picked. */
  putBack: (picked: readonly Picked[]) => void;
}

/** The next requests of each turn, at most `counts[i]` of the i-th. */
export type ReadNext = (
  turns: readonly Turn[],
  counts: readonly number[],
) => Promise<ParkedPlace[][]>;

/**
 * A dispatched request that is forgotten keeps its estimate for its bill; some thousands are under way at
 * most.
 */
const DISPATCHED_MAX = 20_000;
/** The guess for users of whom nothing was dispatched yet. */
const FIRST_GUESS_TOKENS = 500;

export function createModelDispatch(): ModelDispatch {
  const order = createFairOrder();
  const dispatched = new Map<string, { userId: string; tokens: number }>();
  let guess = FIRST_GUESS_TOKENS;

  /** Gives out turns, the same user as often as it comes to be theirs. */
  function takeTurns(room: number, health: ModelHealth, atMs: number): Turn[] {
    const turns: Turn[] = [];
    while (turns.length < room) {
      const turn = order.next();
      if (turn === undefined) break;
      const leave = leaveOf(health, turn.userId, atMs).kind;
      // Found again by the next scan; a user whose pause is over gets one request until then.
      if (leave === "user_paused") {
        order.leave(turn);
        continue;
      }
      turns.push(turn);
      order.charge(turn.userId, guess);
      if (leave === "probe") order.leave(turn);
    }
    return turns;
  }

  return {
    order,
    async pick(room, health, atMs, read) {
      const charged = guess;
      const turns = takeTurns(room, health, atMs);
      const counts = new Map<string, { turn: Turn; count: number }>();
      for (const turn of turns) {
        const key = `${turn.priority} ${turn.userId}`;
        const known = counts.get(key);
        if (known === undefined) counts.set(key, { turn, count: 1 });
        else known.count += 1;
      }
      const asked = [...counts.values()];
      const places = await read(
        asked.map(({ turn }) => turn),
        // One more tells whether the user still waits afterwards.
        asked.map(({ count }) => count + 1),
      );
      asked.forEach(({ turn, count }, index) => {
        const all = places[index] ?? [];
        const found = all.slice(0, count);
        places[index] = found;
        const tokens = found.reduce((sum, place) => sum + place.estimatedTokens, 0);
        order.charge(turn.userId, tokens - count * charged);
        if (all.length <= count) order.leave(turn);
      });
      const picked = inTurn(turns, asked, places);
      for (const { requestId, userId, estimatedTokens } of picked) {
        dispatched.set(requestId, { userId, tokens: estimatedTokens });
        guess = Math.max(1, Math.round(0.95 * guess + 0.05 * estimatedTokens));
      }
      for (const oldest of dispatched.keys()) {
        if (dispatched.size <= DISPATCHED_MAX) break;
        dispatched.delete(oldest);
      }
      return { picked, isOver: turns.length === 0 };
    },
    ended(requestId, tokens) {
      const known = dispatched.get(requestId);
      if (known === undefined) return;
      dispatched.delete(requestId);
      order.charge(known.userId, tokens - known.tokens);
    },
    dispatched: () => [...dispatched.keys()],
    putBack(picked) {
      for (const { requestId, userId } of picked) {
        const known = dispatched.get(requestId);
        if (known === undefined) continue;
        dispatched.delete(requestId);
        order.charge(userId, -known.tokens);
      }
    },
  };
}

/** The requests in the order of the turns that they were picked for. */
function inTurn(
  turns: readonly Turn[],
  asked: readonly { turn: Turn }[],
  places: readonly ParkedPlace[][],
): Picked[] {
  const left = new Map(
    asked.map(({ turn }, index) => [`${turn.priority} ${turn.userId}`, [...(places[index] ?? [])]]),
  );
  return turns.flatMap((turn) => {
    const place = left.get(`${turn.priority} ${turn.userId}`)?.shift();
    return place === undefined ? [] : [{ ...place, userId: turn.userId }];
  });
}
