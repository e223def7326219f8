import type { LoadResult, Percentiles, Table } from "../figures.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Pace } from "../load/run-load.ts";
import { cpuSecondsByPart } from "../machine/sampler.ts";
import { labelBackends } from "./postgres.ts";
import type { Session } from "./session.ts";

/** What a request costs. */
export interface Cost {
  /** Answers as expected, or ends, per second. */
  perSecond: number;
  /** Absent where nobody waits for an answer. */
  latencyMs?: Pick<Percentiles, "p50" | "p99">;
  /** CPU per request, microseconds, by part. */
  cpuUs: ReadonlyMap<string, number>;
  /** What only this table has, by column such as `Redis, bytes per user`. */
  extra?: Readonly<Record<string, number>>;
}

/** One line of a table of costs; its name is as in `1,000,000`, or who it is the cost of. */
export interface CostRow extends Cost {
  name: string;
}

/** CPU per request of all parts together, microseconds. */
export const wholeUs = ({ cpuUs }: Cost): number =>
  Math.round([...cpuUs.values()].reduce((sum, one) => sum + one, 0));

/** Seconds of CPU by part as CPU per request. */
export function cpuUsOf(seconds: ReadonlyMap<string, number>, requests: number) {
  return new Map([...seconds].map(([part, used]) => [part, (used * 1e6) / Math.max(1, requests)]));
}

export const countExpected = (loads: readonly LoadResult[]): number =>
  loads.reduce((sum, { expected }) => sum + expected, 0);

/** From now on: what it returns tells the seconds of CPU by part so far. */
export function watchCpu({ sampler }: Pick<Session, "sampler">): () => Map<string, number> {
  const since = sampler.samples().at(-1)?.atSeconds ?? 0;
  return () => cpuSecondsByPart(sampler.samples(), since);
}

/** Runs a load and takes the CPU of its time only, that of PostgreSQL by whom it worked for. */
export async function measureCost(
  session: Session,
  name: string,
  files: CallFiles,
  pace: Pace,
): Promise<Cost> {
  await labelBackends(session);
  const cpuSince = watchCpu(session);
  const { expected, perSecond, latencyMs } = await session.load(name, files, pace);
  return { perSecond, latencyMs, cpuUs: cpuUsOf(cpuSince(), expected) };
}

/**
 * Notes the CPU that each part and all of them together took per request since the samples began. It is much
 * steadier than a rate on a machine that others use as well, and it is what capacity is planned with.
 */
export function noteCosts(
  { figure, sampler }: Pick<Session, "figure" | "sampler">,
  requests: number,
): void {
  const parts = [...cpuSecondsByPart(sampler.samples())].filter(([, used]) => used > 0);
  if (requests === 0 || parts.length === 0) return;
  const whole = parts.reduce((sum, [, used]) => sum + used, 0);
  const all = [["all parts together", whole] as const, ...parts.sort(([, a], [, b]) => b - a)];
  for (const [part, used] of all)
    figure(`CPU per request: ${part}`, "ms", (used * 1_000) / requests);
}

const PARTS = [
  "gateway",
  "Bento",
  "worker",
  "collector",
  "postgres for gateway",
  "postgres for collector",
  "postgres",
  "redis",
  "rabbitmq",
];
const ABSENT = "–";

/**
 * Latencies, CPU by part and together, then what only this table has. Parts that never ran have no column.
 */
export function costTable(title: string, nameColumn: string, rows: readonly CostRow[]): Table {
  const parts = PARTS.filter((part) => rows.some(({ cpuUs }) => cpuUs.has(part)));
  const extras = [...new Set(rows.flatMap(({ extra = {} }) => Object.keys(extra)))];
  const cpu = ["CPU, µs", ...parts.map((part) => `${part}, µs`)];
  return {
    title,
    columns: [nameColumn, "per second", "p50, ms", "p99, ms", ...cpu, ...extras],
    rows: rows.map(({ name, extra = {}, ...cost }) => [
      name,
      cost.perSecond,
      cost.latencyMs?.p50 ?? ABSENT,
      cost.latencyMs?.p99 ?? ABSENT,
      wholeUs(cost),
      ...parts.map((part) => Math.round(cost.cpuUs.get(part) ?? 0)),
      ...extras.map((column) => extra[column] ?? ABSENT),
    ]),
  };
}

/** A part bends when it costs more by both this factor and this much. */
const BEND_FACTOR = 1.25;
const BEND_US = 10;
/** Below this share of the first row's rate the fixed costs of a second weigh on clearly fewer requests. */
const SAME_RATE_SHARE = 0.9;

/** Before the first look at it nobody knows for whom PostgreSQL works, so it is compared as one. */
const wholePartUs = ({ cpuUs }: Cost, part: string): number =>
  [...cpuUs]
    .filter(([name]) => name === part || name.startsWith(`${part} for `))
    .reduce((sum, [, us]) => sum + us, 0);

/**
 * What costs clearly more in the last row than in the first, one line each; a line that says so if nothing
 * does. Rows that were not answered at the same rate are not compared.
 */
export function bendsOf(rows: readonly CostRow[]): string[] {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined || first === last) return [];
  const span = `from ${first.name} to ${last.name}`;
  if (last.perSecond < first.perSecond * SAME_RATE_SHARE) {
    const rates = `${Math.round(first.perSecond)} → ${Math.round(last.perSecond)}`;
    return [`${rates} answered per second ${span}: costs per request do not compare`];
  }
  const bends = PARTS.filter((part) => !part.includes(" for ")).flatMap((part) => {
    const before = wholePartUs(first, part);
    const after = wholePartUs(last, part);
    if (after < before * BEND_FACTOR || after - before < BEND_US) return [];
    return `${part}: ${Math.round(before)} → ${Math.round(after)} µs per request ${span}`;
  });
  return bends.length > 0
    ? bends
    : [`no part costs over ${(BEND_FACTOR - 1) * 100} % more ${span}`];
}
