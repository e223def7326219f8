import type { Table } from "../figures.ts";
import { type Cost, wholeUs } from "./cost.ts";

/** One line of a table of costs. */
export interface CostRow {
  /** As in `1,000,000`, or who it is the cost of. */
  name: string;
  cost: Cost;
  /** What only this table has, by column such as `Redis, bytes per user`. */
  extra?: Readonly<Record<string, number>>;
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
] as const;
const ABSENT = "–";

/**
 * Latencies, CPU by part and together, then what only this table has. Parts that never ran have no column.
 */
export function costTable(title: string, nameColumn: string, rows: readonly CostRow[]): Table {
  const parts = PARTS.filter((part) => rows.some(({ cost }) => cost.cpuUs.has(part)));
  const extras = [...new Set(rows.flatMap(({ extra = {} }) => Object.keys(extra)))];
  const cpu = ["CPU, µs", ...parts.map((part) => `${part}, µs`)];
  return {
    title,
    columns: [nameColumn, "per second", "p50, ms", "p99, ms", ...cpu, ...extras],
    rows: rows.map(({ name, cost, extra = {} }) => [
      name,
      cost.perSecond,
      cost.p50Ms,
      cost.p99Ms,
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
  if (last.cost.perSecond < first.cost.perSecond * SAME_RATE_SHARE) {
    const rates = `${Math.round(first.cost.perSecond)} → ${Math.round(last.cost.perSecond)}`;
    return [`${rates} answered per second ${span}: costs per request do not compare`];
  }
  // Before the first look at it nobody knows for whom PostgreSQL works, so it is compared as one.
  const bends = PARTS.filter((part) => !part.includes(" for ")).flatMap((part) => {
    const before = wholePartUs(first.cost, part);
    const after = wholePartUs(last.cost, part);
    if (after < before * BEND_FACTOR || after - before < BEND_US) return [];
    return `${part}: ${Math.round(before)} → ${Math.round(after)} µs per request ${span}`;
  });
  if (bends.length > 0) return bends;
  return [`no part costs over ${(BEND_FACTOR - 1) * 100} % more ${span}`];
}
