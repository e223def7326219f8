/**
 * A row of the design's numbers: what one 2-core machine should reach that also runs the servers and the
 * load.
 */
export interface Target {
  what: string;
  unit: string;
  better: "more" | "less";
  /** Below (or above) this the run fails. */
  atLeast: number;
  aim: number;
}

const more = (what: string, unit: string, atLeast: number, aim: number): Target => ({
  what,
  unit,
  better: "more",
  atLeast,
  aim,
});
const less = (...row: Parameters<typeof more>): Target => ({ ...more(...row), better: "less" });

/** Scenarios say which of them they yield. */
export const TARGETS = {
  accepted_per_second: more("accepted per second, everything on", "req/s", 6_000, 10_000),
  accept_p99_ms: less("acceptance at 1,000/s, whole pipeline running, p99", "ms", 25, 10),
  status_p99_ms: less("status at 5,000/s, p99", "ms", 20, 5),
  completed_per_second: more(
    "completed end to end per second, backlog flat",
    "req/s",
    2_500,
    4_000,
  ),
  long_polls_waiting: more("long-polls waiting on one gateway", "waits", 10_000, 20_000),
  wake_up_p99_ms: less("wake-up after the commit with those waiting, p99", "ms", 100, 25),
  call_p50_ms: less("a synchronous call, the model answering at once, 50/s, p50", "ms", 12, 6),
  call_p99_ms: less("the same, p99", "ms", 40, 15),
  stream_p99_ms: less(
    "1,000 open streams of 20 pieces a second: a piece is late by, p99",
    "ms",
    150,
    40,
  ),
  gateway_memory_mb: less("memory of one gateway at full load", "MB", 250, 150),
  gateway_memory_slope: less("slope of the gateway's memory in the soak", "MB/min", 1, 0.1),
  lone_start_seconds: less(
    "5,000 requests of one user waiting, services of a second: a lone request of another starts within",
    "s",
    4,
    1.5,
  ),
  share_deviation: less("shares of users who all wait, furthest from their weights", "%", 10, 3),
  against_bento_tuned: more(
    "accepted per second against the original's stream processor, tuned",
    "×",
    3,
    5,
  ),
} satisfies Record<string, Target>;

export type TargetId = keyof typeof TARGETS;
export const TARGET_IDS = Object.keys(TARGETS) as TargetId[];
