import type { ActorState } from "./actor.ts";
import { createCrew, type Crew } from "./crew.ts";
import { createGates, type Gates } from "./gates.ts";
import type { Turn, TurnHandler } from "./handle.ts";
import type { Held } from "./held.ts";
import type { GateSnapshot } from "./model-gate.ts";
import type { WorkerConfig, WorkerPorts } from "./ports.ts";
import { createWaiting } from "./waiting.ts";

export interface PoolSnapshot {
  actors: Record<ActorState, number>;
  waiting: number;
  /** Those that a delivery has asked for. */
  models: Record<string, GateSnapshot & { waiting: number }>;
}

/** Gives deliveries their turn with an actor, first come first served, as far as the limits of their models allow. */
export interface Pool {
  add: (held: Held) => void;
  /** Looks again who may start; call when the answer may have changed. */
  startTurns: () => void;
  /** Takes back deliveries whose turn has not come, in order of arrival. */
  takeWaiting: (isWanted: (held: Held) => boolean) => Held[];
  /** What waits though an actor would be free: its model is at its limit, or its breaker is open. */
  isBlocked: (held: Held) => boolean;
  waiting: () => readonly Held[];
  /** When time alone may let a delivery start next, Unix milliseconds; infinity: it will not. */
  nextOpeningMs: () => number;
  /** Starts no turn from now on. */
  drain: () => void;
  snapshot: () => PoolSnapshot;
}

export interface PoolDuties {
  /** Called once for each turn, when its delivery has been concluded. */
  onTurnEnd: (held: Held) => void;
  /** Some deliveries could not get a turn now. */
  onWaiting: () => void;
}

export function createPool(
  config: () => WorkerConfig,
  ports: Pick<WorkerPorts, "now" | "log">,
  handler: TurnHandler,
  { onTurnEnd, onWaiting }: PoolDuties,
): Pool {
  const waiting = createWaiting();
  const gates: Gates = createGates(config, ports, startTurns);
  const crew: Crew<Turn> = createCrew<Turn>({
    actorsMax: config().worker.actors,
    run: (turn) => handler.run(turn).then(() => endTurn(turn)),
    onThrow: (turn, error) => void recover(turn, error),
    onIdle: startTurns,
  });
  let suspectsRunning = 0;
  let isDraining = false;

  const mayStart = (held: Held): boolean =>
    !isDraining && !(held.suspect && suspectsRunning > 0) && gates.mayStart(held);

  function startTurns(): void {
    while (crew.hasIdle()) {
      const held = waiting.takeFirst(mayStart);
      if (held === undefined) break;
      if (held.suspect) suspectsRunning += 1;
      crew.give({ held, pass: gates.enter(held) });
    }
    if (waiting.all().length > 0) onWaiting();
  }

  function endTurn({ held, pass }: Turn): void {
    if (held.suspect) suspectsRunning -= 1;
    onTurnEnd(held);
    pass?.finish("abandoned");
  }

  /** An attempt that our own code broke off is concluded as a failed one; if even that fails, the delivery goes back. */
  async function recover(turn: Turn, error: unknown): Promise<void> {
    const { requestId } = turn.held.request.head;
    ports.log.error({ err: error, request_id: requestId }, "an actor threw and was replaced");
    try {
      await handler.recover(turn);
    } catch (again) {
      ports.log.error({ err: again, request_id: requestId }, "a failed attempt is given back");
      turn.held.delivery.requeue();
    } finally {
      endTurn(turn);
    }
  }

  return {
    add(held) {
      waiting.add(held);
      startTurns();
    },
    startTurns,
    takeWaiting: waiting.takeAll,
    isBlocked: (held) => !gates.mayStart(held),
    waiting: waiting.all,
    nextOpeningMs: gates.nextOpeningMs,
    drain() {
      isDraining = true;
      crew.drain();
    },
    snapshot: () => ({
      actors: crew.counts(),
      waiting: waiting.all().length,
      models: Object.fromEntries(
        Object.entries(gates.snapshot()).map(([model, gate]) => [
          model,
          { ...gate, waiting: waiting.countOf(model) },
        ]),
      ),
    }),
  };
}
