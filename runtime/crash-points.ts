/**
 * Places where a fault test may kill or freeze a process (`CRASH_AT=G2`, `HANG_AT=W1:3`).
 * G gateway, W worker, C collector, K keeper, D the keeper's dispatcher.
 */
export const CRASH_POINTS = {
  G1: "after the hold, before the row",
  G2: "after the commit, before the publish",
  G3: "after the publish, before the confirm",
  G4: "after the commit, before the 202",
  G5: "after the commit of what is parked, before the dispatcher is told",
  G6: "after a repeated call has claimed its request, before it waits for it",
  G7: "after the end of a held call is known, before the call is let go and answered",
  W1: "after the delivery, before the ML call",
  W2: "after the ML reply, before the result is published",
  W3: "after the result is confirmed, before the ack",
  W4: "after an answer's pieces were begun, before the first is written",
  W5: "after pieces were written, before it is noted that they were",
  C1: "after a batch is taken, before the commit",
  C2: "after the commit, before the settles",
  C3: "after the settles, before the acks",
  K1: "after the keeper republished, before it noted so",
  K2: "after the keeper freed a hold, before it goes on",
  D1: "after parked requests are read, before the publish",
  D2: "after the publish, before the parked rows are deleted",
  D3: "after the intake committed, before the acks",
} as const;

export type CrashPoint = keyof typeof CRASH_POINTS;

/** Called at each point; does nothing in production. */
export type ReachCrashPoint = (point: CrashPoint) => void;
