import type { Percentiles, Table } from "../figures.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Pace } from "../load/run-load.ts";
import { sum } from "../statistics.ts";
import { count } from "./requests.ts";
import type { Session } from "./session.ts";

/** What a request costs: a line of a table of costs. */
export interface Cost {
  /** As in `1,000,000`, or who it is the cost of. */
  name: string;
  /** Answers as expected, or ends, per second. */
  perSecond: number;
  /** Absent where nobody waits for an answer. */
  latencyMs?: Pick<Percentiles, "p50" | "p99">;
  /** CPU per request, microseconds, by part. */
  cpuUs: ReadonlyMap<string, number>;
  /** What only this table has, by column such as `Redis, bytes per user`. */
  extra?: Readonly<Record<string, number>>;
}

export type LoadCost = Cost & Required<Pick<Cost, "latencyMs">>;

/** CPU per request of all parts together, microseconds. */
export const wholeUs = ({ cpuUs }: Cost): number => Math.round(sum(cpuUs.values()));

/** Seconds of CPU by part as CPU per request. */
export function cpuUsOf(seconds: ReadonlyMap<string, number>, requests: number) {
  return new Map([...seconds].map(([part, used]) => [part, (used * 1e6) / Math.max(1, requests)]));
}

/**
 * Runs a load and takes the CPU of its time only, that of PostgreSQL by whom it worked for. It is much
 * steadier than a rate on a machine that others use as well, and it is what capacity is planned with.
 */
export async function measureCost(
  session: Session,
  name: string,
  files: CallFiles,
  pace: Pace,
): Promise<LoadCost> {
  await labelBackends(session);
  const cpuSince = session.sampler.watchCpu();
  const { expected, perSecond, latencyMs } = await session.load(name, files, pace);
  return { name, perSecond, latencyMs, cpuUs: cpuUsOf(cpuSince(), expected) };
}

/**
 * Counts the processes of PostgreSQL that serve a gateway or a collector as `postgres for …` from now on;
 * what is left as `postgres` are its own duties. Only where they are processes of this machine.
 */
async function labelBackends({ stack, sampler, servers }: Session): Promise<void> {
  if (![...servers.labels.values()].includes("postgres")) return;
  const backends = await stack.books.database.run(
    "find backends",
    (sql) => sql<{ pid: number; part: string }[]>`
      select pid, substring(application_name from '^tollgate-(gateway|collector)-') as part
      from pg_stat_activity
      where datname = current_database()
        and application_name ~ '^tollgate-(gateway|collector)-'`,
  );
  for (const { pid, part } of backends) sampler.watch(pid, `postgres for ${part}`);
}

/** What it costs to work a request off, over so many seconds or until nothing is left. */
export async function measureWorkingOff(
  session: Session,
  name: string,
  seconds: number,
): Promise<Cost> {
  const cpuSince = session.sampler.watchCpu();
  const before = await count(session, "completed");
  const startedAt = performance.now();
  for (let waited = 0; waited < seconds && (await count(session, "any open")) > 0; waited += 1)
    await Bun.sleep(1_000);
  const completed = (await count(session, "completed")) - before;
  const perSecond = completed / ((performance.now() - startedAt) / 1_000);
  return { name, perSecond, cpuUs: cpuUsOf(cpuSince(), completed) };
}

const PARTS = [
  "gateway",
  "Bento",
  "echo",
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
export function costTable(title: string, nameColumn: string, rows: readonly Cost[]): Table {
  const parts = PARTS.filter((part) => rows.some(({ cpuUs }) => cpuUs.has(part)));
  const extras = [...new Set(rows.flatMap(({ extra = {} }) => Object.keys(extra)))];
  const cpu = ["CPU, µs", ...parts.map((part) => `${part}, µs`)];
  return {
    title,
    columns: [nameColumn, "per second", "p50, ms", "p99, ms", ...cpu, ...extras],
    rows: rows.map(({ extra = {}, ...cost }) => [
      cost.name,
      cost.perSecond,
      cost.latencyMs?.p50 ?? ABSENT,
      cost.latencyMs?.p99 ?? ABSENT,
      wholeUs(cost),
      ...parts.map((part) => Math.round(cost.cpuUs.get(part) ?? 0)),
      ...extras.map((column) => extra[column] ?? ABSENT),
    ]),
  };
}
