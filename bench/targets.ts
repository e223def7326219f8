/** A row of the design's numbers: what one 2-core machine should reach that also runs the servers and the load generator. */
export interface Target {
  what: string;
  unit: string;
  /** Below (or above) this the run fails. */
  atLeast: number;
  aim: number;
  better: "more" | "less";
  /** The scenarios that it takes, by name. */
  by: readonly string[];
}

export const TARGETS = {
  accepted_per_second: {
    what: "accepted per second, everything on",
    unit: "req/s",
    atLeast: 6_000,
    aim: 10_000,
    better: "more",
    by: ["frontier"],
  },
  accept_p99_ms: {
    what: "acceptance at 1,000/s, whole pipeline running, p99",
    unit: "ms",
    atLeast: 25,
    aim: 10,
    better: "less",
    by: ["pipeline"],
  },
  status_p99_ms: {
    what: "status at 5,000/s, p99",
    unit: "ms",
    atLeast: 20,
    aim: 5,
    better: "less",
    by: ["status"],
  },
  completed_per_second: {
    what: "completed end to end per second, backlog flat",
    unit: "req/s",
    atLeast: 2_500,
    aim: 4_000,
    better: "more",
    by: ["sustained"],
  },
  long_polls_waiting: {
    what: "long-polls waiting on one gateway",
    unit: "waits",
    atLeast: 10_000,
    aim: 20_000,
    better: "more",
    by: ["long-poll"],
  },
  wake_up_p99_ms: {
    what: "wake-up after the commit with those waiting, p99",
    unit: "ms",
    atLeast: 100,
    aim: 25,
    better: "less",
    by: ["long-poll"],
  },
  gateway_memory_mb: {
    what: "memory of one gateway at full load",
    unit: "MB",
    atLeast: 250,
    aim: 150,
    better: "less",
    by: ["frontier"],
  },
  gateway_memory_slope: {
    what: "slope of the gateway's memory in the soak",
    unit: "MB/min",
    atLeast: 1,
    aim: 0.1,
    better: "less",
    by: ["soak"],
  },
  against_bento_tuned: {
    what: "accepted per second against the original's stream processor, tuned",
    unit: "×",
    atLeast: 3,
    aim: 5,
    better: "more",
    by: ["beside-bento"],
  },
} as const satisfies Record<string, Target>;

export type TargetId = keyof typeof TARGETS;

/** Whether a value reaches a bound. Equal is enough. */
export function reaches(value: number, bound: number, better: Target["better"]): boolean {
  return better === "more" ? value >= bound : value <= bound;
}

/** How far a value is from a bound: 1 is reached exactly, more is better, whatever the direction. */
export function ratioTo(value: number, bound: number, better: Target["better"]): number {
  if (better === "more") return value / bound;
  return value <= 0 ? Number.POSITIVE_INFINITY : bound / value;
}
