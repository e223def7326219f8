/** `draining`: busy, and takes nothing more. */
export type ActorState = "idle" | "busy" | "draining";

/** One worker of the pool: a mailbox of one piece of work, which it owns until it is done. */
export interface Actor<Work> {
  state: () => ActorState;
  /** Hands over work; only to an idle actor. */
  give: (work: Work) => void;
  /** Takes nothing more from now on. */
  drain: () => void;
}

/** What the supervisor of an actor is told. After `onThrow` the actor is spent and must be replaced. */
export interface ActorSupervisor<Work> {
  onDone: (actor: Actor<Work>) => void;
  onThrow: (actor: Actor<Work>, work: Work, error: unknown) => void;
}

export function createActor<Work>(
  run: (work: Work) => Promise<void>,
  supervisor: ActorSupervisor<Work>,
): Actor<Work> {
  let mailbox: Work | undefined;
  let isDraining = false;

  async function work(item: Work): Promise<void> {
    try {
      await run(item);
    } catch (error) {
      supervisor.onThrow(actor, item, error);
      return;
    }
    mailbox = undefined;
    supervisor.onDone(actor);
  }

  const actor: Actor<Work> = {
    state() {
      if (isDraining) return "draining";
      return mailbox === undefined ? "idle" : "busy";
    },
    give(item) {
      if (actor.state() !== "idle") throw new Error(`work was given to a ${actor.state()} actor`);
      mailbox = item;
      void work(item);
    },
    drain() {
      isDraining = true;
    },
  };
  return actor;
}
