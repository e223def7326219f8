import type { Backlog } from "../core/capacity/backlog.ts";
import type { CapacityPlan, Pools } from "../core/capacity/plan.ts";

export interface CapacityReport {
  plan: CapacityPlan;
  /** ML replicas that the backlog is computed for, and what they carry. */
  given: { mlReplicas: number; requestsPerSecond: number; peakSeconds: number };
  backlog: Backlog;
}

const number = (value: number): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : 0 });

/** A duration as people say it: `45 s`, `12.5 min`, `3.2 h`. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${number(seconds)} s`;
  return seconds < 7_200 ? `${number(seconds / 60)} min` : `${number(seconds / 3_600)} h`;
}

function backlogLines({ given, backlog }: CapacityReport): string[] {
  const head = `With ${given.mlReplicas} ML replicas, at most ${number(given.requestsPerSecond)} requests/s:`;
  if (backlog.requestsAtEnd === 0) return [head, "  the queue does not grow"];
  const drain =
    backlog.drainSeconds === null
      ? "never: the rate afterwards is no less"
      : duration(backlog.drainSeconds);
  return [
    head,
    `  the queue grows by     ${number(backlog.growthPerSecond)} requests/s`,
    `  after ${duration(given.peakSeconds).padEnd(16)} ${number(backlog.requestsAtEnd)} requests wait, ` +
      `${number(backlog.tokensAtEnd)} tokens`,
    `  the last one waits     ${duration(backlog.lastWaitSeconds)}`,
    `  the queue is empty     ${backlog.drainSeconds === null ? drain : `${drain} after the peak`}`,
  ];
}

/** The report as text, for a terminal. */
export function formatCapacity(report: CapacityReport, pools: Pools): string {
  const { plan } = report;
  const limit = (name: CapacityPlan["beyondBounds"][number], bound: number): string =>
    plan.beyondBounds.includes(name) ? `   more than the bound of ${bound}` : "";
  return [
    "For this traffic, in the mean:",
    `  an attempt takes       ${duration(plan.attemptSeconds)}, ` +
      `${number(plan.attemptsPerRequest)} attempts a request`,
    `  under way at once      ${number(plan.concurrency)} attempts`,
    `  tokens per minute      ${number(plan.tokensPerMinute)}`,
    "",
    `Needed, ${number(pools.utilisation * 100)} % busy:`,
    `  gateways               ${plan.gateways}${limit("gateways", pools.gatewaysMax)}`,
    `  workers                ${plan.workers}${limit("workers", pools.workersMax)}`,
    `  ML replicas            ${plan.mlReplicas}${limit("ml", pools.mlReplicasMax)}`,
    `  one ML replica carries ${number(plan.perMlReplica.requestsPerSecond)} requests/s, ` +
      `${number(plan.perMlReplica.tokensPerMinute)} tokens/min`,
    "",
    ...backlogLines(report),
    "",
    "Thresholds of the scaled objects (k8s/base/scaling) for this traffic:",
    `  worker queue-length    ${number(plan.thresholds.workerQueueLength)}`,
    `  worker tokens-runnable ${number(plan.thresholds.workerTokensRunnable)}`,
    `  worker token-rate      ${number(plan.thresholds.workerTokensPerMinute)}`,
    `  ml runnable            ${number(plan.thresholds.mlRequestsRunnable)}`,
    `  ml token-rate          ${number(plan.thresholds.mlTokensPerMinute)}`,
    "",
    "Rate times duration (Little's law) on means: it holds for any distribution, and says nothing about the",
    "wait while all keeps up.",
  ].join("\n");
}
