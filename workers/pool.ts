import type { Turn, Turns } from "./attempt/turn.ts";
import type { Deliveries } from "./deliveries/deliveries.ts";
import type { OwnedDelivery } from "./deliveries/owned.ts";
import type { Gates } from "./gates.ts";
import type { WorkerPorts } from "./ports.ts";

/**
 * The actors of this worker and their supervisor, who gives waiting deliveries their turns: first come, first
 * served, as far as their models let them. The deliveries that are owned bound the actors.
 */
export interface Pool {
  /** Looks again what may start; call it when that may have changed. */
  startTurns: () => void;
  /** Starts no turn from now on. */
  drain: () => void;
  actors: () => Record<Exclude<ActorState, "idle">, number>;
}

export interface PoolNeighbours {
  deliveries: Pick<Deliveries, "waiting" | "remove">;
  gates: Pick<Gates, "mayStart" | "enter">;
  turns: Turns;
}

/** Actors are made when first needed. */
export function createPool(
  { log }: Pick<WorkerPorts, "log">,
  { deliveries, gates, turns }: PoolNeighbours,
): Pool {
  const { waiting } = deliveries;
  const idle: Actor[] = [];
  const busy = new Set<Actor>();
  let isDraining = false;

  const newActor = (): Actor =>
    createActor((turn) => turns.run(turn).then(() => endTurn(turn)), {
      onDone(actor) {
        busy.delete(actor);
        if (actor.state() === "idle") idle.push(actor);
        startTurns();
      },
      onThrow(actor, turn, error) {
        // It is spent: its place is free for a new one.
        busy.delete(actor);
        void recover(turn, error);
        startTurns();
      },
    });

  const mayStart = (owned: OwnedDelivery): boolean => !isDraining && gates.mayStart(owned);

  function startTurns(): void {
    for (;;) {
      const owned = waiting.takeFirst(mayStart);
      if (owned === undefined) return;
      const actor = idle.pop() ?? newActor();
      busy.add(actor);
      actor.give({ owned, pass: gates.enter(owned) });
    }
  }

  function endTurn({ owned, pass }: Turn): void {
    deliveries.remove(owned);
    pass.endTurn();
  }

  /** An attempt in which our own code threw is concluded as failed; if even that throws, it is requeued. */
  async function recover(turn: Turn, error: unknown): Promise<void> {
    const { requestId } = turn.owned.request.head;
    log.error({ err: error, request_id: requestId }, "an actor threw and was replaced");
    try {
      await turns.recover(turn);
    } catch (again) {
      log.error({ err: again, request_id: requestId }, "a failed attempt is requeued");
      turn.owned.delivery.requeue();
    } finally {
      endTurn(turn);
    }
  }

  return {
    startTurns,
    drain() {
      isDraining = true;
      idle.length = 0;
      for (const actor of busy) actor.drain();
    },
    actors: () =>
      isDraining ? { busy: 0, draining: busy.size } : { busy: busy.size, draining: 0 },
  };
}

/** `draining`: busy, and takes nothing more. */
export type ActorState = "idle" | "busy" | "draining";

/** A mailbox of one turn, whose delivery the actor owns until it has been concluded. */
interface Actor {
  state: () => ActorState;
  /** Hands over a turn. Throws unless the actor is idle. */
  give: (turn: Turn) => void;
  /** It takes nothing more from now on. */
  drain: () => void;
}

/** What the supervisor of an actor is told. After `onThrow` the actor is spent and must be replaced. */
interface Supervisor {
  onDone: (actor: Actor) => void;
  onThrow: (actor: Actor, turn: Turn, error: unknown) => void;
}

function createActor(run: (turn: Turn) => Promise<void>, supervisor: Supervisor): Actor {
  let mailbox: Turn | undefined;
  let isDraining = false;

  async function work(turn: Turn): Promise<void> {
    try {
      await run(turn);
    } catch (error) {
      supervisor.onThrow(actor, turn, error);
      return;
    }
    mailbox = undefined;
    supervisor.onDone(actor);
  }

  const actor: Actor = {
    state() {
      if (isDraining) return "draining";
      return mailbox === undefined ? "idle" : "busy";
    },
    give(turn) {
      if (actor.state() !== "idle") throw new Error(`work was given to a ${actor.state()} actor`);
      mailbox = turn;
      void work(turn);
    },
    drain() {
      isDraining = true;
    },
  };
  return actor;
}
