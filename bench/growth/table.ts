import type { Table } from "../figures.ts";
import type { Cost } from "./cost.ts";

/** One line of cost against size. */
export interface GrowthRow {
  /** As in `1,000,000` or `1,000,000, again`. */
  size: string;
  cost: Cost;
  /** What only this kind of growth has, by column such as `Redis, bytes per user`. */
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

/** Cost against size: latencies, CPU by part and together, then what only this growth has. Parts that never ran have no column. */
export function growthTable(title: string, sizeColumn: string, rows: readonly GrowthRow[]): Table {
  const parts = PARTS.filter((part) => rows.some(({ cost }) => cost.cpuUs.has(part)));
  const extras = [...new Set(rows.flatMap(({ extra = {} }) => Object.keys(extra)))];
  return {
    title,
    columns: [
      sizeColumn,
      "per second",
      "p50, ms",
      "p99, ms",
      "CPU, µs",
      ...parts.map((part) => `${part}, µs`),
      ...extras,
    ],
    rows: rows.map(({ size, cost, extra = {} }) => [
      size,
      cost.perSecond,
      cost.p50Ms,
      cost.p99Ms,
      wholeUs(cost),
      ...parts.map((part) => Math.round(cost.cpuUs.get(part) ?? 0)),
      ...extras.map((name) => extra[name] ?? ABSENT),
    ]),
  };
}

/** CPU per request of all parts together, microseconds. */
export function wholeUs({ cpuUs }: Cost): number {
  return Math.round([...cpuUs.values()].reduce((sum, one) => sum + one, 0));
}

/** A part bends when it costs more by both this factor and this much. */
const BEND_FACTOR = 1.25;
const BEND_US = 10;

function wholePartUs({ cpuUs }: Cost, part: string): number {
  return [...cpuUs]
    .filter(([name]) => name === part || name.startsWith(`${part} for `))
    .reduce((sum, [, us]) => sum + us, 0);
}

/** Below this share of the first size's rate the fixed costs of a second weigh on clearly fewer requests. */
const SAME_RATE_SHARE = 0.9;

/**
 * What costs clearly more at the last size than at the first, one line each; a line that says so if nothing does. Sizes that were not
 * answered at the same rate are not compared.
 */
export function bendsOf(rows: readonly GrowthRow[]): string[] {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined || first === last) return [];
  if (last.cost.perSecond < first.cost.perSecond * SAME_RATE_SHARE) {
    const rates = `${Math.round(first.cost.perSecond)} → ${Math.round(last.cost.perSecond)} answered per second`;
    return [`${rates} from ${first.size} to ${last.size}: costs per request do not compare`];
  }
  // Before the first look at it nobody knows for whom PostgreSQL works, so it is compared as one.
  const bends = PARTS.filter((part) => !part.includes(" for ")).flatMap((part) => {
    const before = wholePartUs(first.cost, part);
    const after = wholePartUs(last.cost, part);
    if (after < before * BEND_FACTOR || after - before < BEND_US) return [];
    return `${part}: ${Math.round(before)} → ${Math.round(after)} µs per request from ${first.size} to ${last.size}`;
  });
  if (bends.length > 0) return bends;
  return [
    `no part costs over ${(BEND_FACTOR - 1) * 100} % more from ${first.size} to ${last.size}`,
  ];
}
