import { type Command, InvalidArgumentError } from "commander";

import { planBacklog } from "../../core/capacity/backlog.ts";
import {
  type ModelSpeed,
  planCapacity,
  type Pools,
  type Traffic,
} from "../../core/capacity/plan.ts";
import { readAmount } from "../operator/arguments.ts";
import { type CapacityReport, formatCapacity } from "../capacity-report.ts";

interface CapacityOptions {
  rate: number;
  promptTokens: number;
  outputTokens: number;
  outputCap?: number;
  failed: number;
  firstTokenMs: number;
  tokensPerSecond: number;
  slots: number;
  attemptsPerWorker: number;
  attemptsMax: number;
  acceptsPerGateway: number;
  utilisation: number;
  replicas?: number;
  minutes: number;
  rateAfter: number;
  json?: boolean;
}

/** The bounds of k8s/base/scaling. */
const BOUNDS = { gatewaysMin: 2, gatewaysMax: 10, workersMax: 100, mlReplicasMax: 20 } as const;

function readNumber(text: string, fits: (value: number) => boolean, allowed: string): number {
  const value = readAmount(text) ?? Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || !fits(value))
    throw new InvalidArgumentError(`must be ${allowed}`);
  return value;
}
const positive = (text: string): number => readNumber(text, (value) => value > 0, "above 0");
const notNegative = (text: string): number => readNumber(text, (value) => value >= 0, "0 or more");
const whole = (text: string): number =>
  readNumber(text, (value) => Number.isInteger(value) && value >= 1, "a whole number from 1");
const share = (text: string): number =>
  readNumber(text, (value) => value >= 0 && value < 1, "from 0 to below 1");
const busyShare = (text: string): number =>
  readNumber(text, (value) => value > 0 && value <= 1, "above 0 and at most 1");

export function registerCapacity(program: Command): void {
  program
    .command("capacity")
    .description(
      "compute workers, ML replicas and queue growth from traffic, sizes and model speed",
    )
    .requiredOption("--rate <number>", "requests per second in the busiest minutes", positive)
    .requiredOption("--prompt-tokens <number>", "tokens of a prompt, mean", notNegative)
    .requiredOption("--output-tokens <number>", "tokens of an output, mean", positive)
    .option(
      "--output-cap <number>",
      "max_tokens that callers name (default: --output-tokens)",
      positive,
    )
    .option("--failed <share>", "share of attempts that fail and are made again", share, 0)
    .requiredOption(
      "--tokens-per-second <number>",
      "of one stream, while the replica is full",
      positive,
    )
    .option(
      "--first-token-ms <number>",
      "until the first token, while the replica is full",
      notNegative,
      500,
    )
    .requiredOption("--slots <number>", "sequences that one ML replica works on at once", whole)
    .option(
      "--attempts-per-worker <number>",
      "worker.actors or concurrency_max, the lesser",
      whole,
      32,
    )
    .option("--attempts-max <number>", "retry.attempts_max", whole, 5)
    .option("--accepts-per-gateway <number>", "accepts per second of one gateway", positive, 1_000)
    .option("--utilisation <share>", "how busy the pools may be in the mean", busyShare, 0.7)
    .option(
      "--replicas <number>",
      "ML replicas to compute the queue for (default: needed, at most 20)",
      whole,
    )
    .option("--minutes <number>", "how long the traffic lasts", positive, 15)
    .option("--rate-after <number>", "requests per second afterwards", notNegative, 0)
    .option("--json", "print an object")
    .addHelpText(
      "after",
      `
Measure --tokens-per-second and --first-token-ms at your ML service with --slots calls at once: both get worse
with every call more.

Examples:
  ./tollgate capacity --rate 20 --prompt-tokens 400 --output-tokens 250 --tokens-per-second 30 --slots 64
  ./tollgate capacity --rate 20 --prompt-tokens 400 --output-tokens 250 --tokens-per-second 30 --slots 64 \\
    --replicas 2 --minutes 30`,
    )
    .action(capacity);
}

function describe(options: CapacityOptions): { report: CapacityReport; pools: Pools } {
  const traffic: Traffic = {
    requestsPerSecond: options.rate,
    promptTokens: options.promptTokens,
    outputTokens: options.outputTokens,
    outputTokensCap: options.outputCap ?? options.outputTokens,
    failedShare: options.failed,
  };
  const speed: ModelSpeed = options;
  const pools: Pools = { ...BOUNDS, ...options };
  const plan = planCapacity(traffic, speed, pools);
  const mlReplicas = options.replicas ?? Math.min(plan.mlReplicas, pools.mlReplicasMax);
  const servedPerSecond = mlReplicas * plan.perMlReplica.requestsPerSecond;
  const peakSeconds = options.minutes * 60;
  const backlog = planBacklog({
    requestsPerSecond: options.rate,
    seconds: peakSeconds,
    afterRequestsPerSecond: options.rateAfter,
    servedPerSecond,
    tokensPerRequest: options.promptTokens + options.outputTokens,
  });
  const given = { mlReplicas, requestsPerSecond: servedPerSecond, peakSeconds };
  return { report: { plan, given, backlog }, pools };
}

function capacity(options: CapacityOptions): void {
  const { report, pools } = describe(options);
  const text =
    options.json === true ? JSON.stringify(report, null, 2) : formatCapacity(report, pools);
  process.stdout.write(`${text}\n`);
}
