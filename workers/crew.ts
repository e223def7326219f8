import { type Actor, type ActorState, createActor } from "./actor.ts";

/** The actors of one worker, and their supervisor. Actors are made when first needed, `actorsMax` at most. */
export interface Crew<Work> {
  hasIdle: () => boolean;
  /** Ask `hasIdle` first. */
  give: (work: Work) => void;
  drain: () => void;
  counts: () => Record<ActorState, number>;
}

export interface CrewDuties<Work> {
  actorsMax: number;
  run: (work: Work) => Promise<void>;
  /** Concludes the work of an actor that threw; the actor itself has been replaced by then. */
  onThrow: (work: Work, error: unknown) => void;
  /** An actor has become idle. */
  onIdle: () => void;
}

export function createCrew<Work>({
  actorsMax,
  run,
  onThrow,
  onIdle,
}: CrewDuties<Work>): Crew<Work> {
  const idle: Actor<Work>[] = [];
  const busy = new Set<Actor<Work>>();
  let isDraining = false;

  const hire = (): Actor<Work> =>
    createActor(run, {
      onDone(actor) {
        busy.delete(actor);
        if (actor.state() === "idle") idle.push(actor);
        onIdle();
      },
      onThrow(actor, work, error) {
        busy.delete(actor);
        // Spent: its place is free for a new one.
        onThrow(work, error);
        onIdle();
      },
    });

  return {
    hasIdle: () => idle.length + busy.size < actorsMax || idle.length > 0,
    give(work) {
      const actor = idle.pop() ?? hire();
      busy.add(actor);
      actor.give(work);
    },
    drain() {
      isDraining = true;
      idle.length = 0;
      for (const actor of busy) actor.drain();
    },
    counts: () =>
      isDraining
        ? { idle: 0, busy: 0, draining: busy.size }
        : { idle: actorsMax - busy.size, busy: busy.size, draining: 0 },
  };
}
