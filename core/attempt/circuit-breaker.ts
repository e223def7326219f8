/**
 * The circuit breaker of one model, as a value. Closed: attempts run, consecutive failures are counted. Open:
 * nothing runs until `untilMs`. Probing: one attempt is under way to find out.
 */
export type Breaker =
  | { kind: "closed"; failures: number }
  | { kind: "open"; untilMs: number }
  | { kind: "probing" };

export interface BreakerLimits {
  /** Consecutive failures that open it. */
  failuresMax: number;
  /** How long it stays open before a probe, milliseconds. */
  openMs: number;
}

export const CLOSED_BREAKER: Breaker = { kind: "closed", failures: 0 };

/** Whether an attempt may start now; when the breaker is open past its time, that attempt is the probe. */
export function mayPass(breaker: Breaker, nowMs: number): boolean {
  if (breaker.kind === "closed") return true;
  return breaker.kind === "open" && nowMs >= breaker.untilMs;
}

/** The breaker after an attempt that `mayPass` allowed has started. */
export function afterStart(breaker: Breaker): Breaker {
  return breaker.kind === "open" ? { kind: "probing" } : breaker;
}

/**
 * The breaker after an attempt ended. While it is open or probing only the probe counts: what started before
 * says nothing new. An abandoned probe leaves it open with no time left, so that the next attempt probes.
 */
export function afterEnd(
  breaker: Breaker,
  end: { isProbe: boolean; result: "success" | "failure" | "none" },
  limits: BreakerLimits,
  nowMs: number,
): Breaker {
  if (breaker.kind === "closed") {
    if (end.result === "none") return breaker;
    if (end.result === "success") return CLOSED_BREAKER;
    const failures = breaker.failures + 1;
    return failures >= limits.failuresMax
      ? { kind: "open", untilMs: nowMs + limits.openMs }
      : { kind: "closed", failures };
  }
  if (!end.isProbe) return breaker;
  if (end.result === "success") return CLOSED_BREAKER;
  return { kind: "open", untilMs: end.result === "failure" ? nowMs + limits.openMs : nowMs };
}
