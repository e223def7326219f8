import { type DatedHealth, suspicionOf, type Trouble } from "./model-health.ts";

/** Why nothing of a model is called; an operator may have paused one that is in trouble as well. */
export const PAUSE_CAUSES = [
  "unreachable",
  "busy",
  "unavailable",
  "refused",
  "failing",
  "operator",
] as const satisfies readonly (Trouble | "operator")[];
export type PauseCause = (typeof PAUSE_CAUSES)[number];

/** How a model is, as operators are shown it. */
export interface ModelSigns {
  /** Empty: it is called. */
  pausedFor: ReadonlySet<PauseCause>;
  /** What every call meets although the model is not paused, because only one user calls; null: nothing. */
  suspectedOf: Trouble | null;
  /** Users whose requests are tried one at a time. */
  usersPaused: number;
}

/** A pause that has been over for so long has nobody who waits: the record just says so still. */
const PAUSE_OVER_MS = 60_000;

export function signsOf({ health, atMs }: DatedHealth, isPausedByOperator: boolean): ModelSigns {
  const pausedFor = new Set<PauseCause>();
  if (health.pause !== null) pausedFor.add(health.pause.cause);
  if (isPausedByOperator) pausedFor.add("operator");
  const users = Object.values(health.users);
  return {
    pausedFor,
    suspectedOf: health.pause === null ? (suspicionOf(health, atMs)?.trouble ?? null) : null,
    usersPaused: users.filter(
      ({ pauseMs, untilMs }) => pauseMs > 0 && atMs - untilMs < PAUSE_OVER_MS,
    ).length,
  };
}
