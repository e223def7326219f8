import type { UserCount } from "../../adapters/postgres/who-fills.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { formatInstant, formatNumber, formatTable } from "../../adapters/terminal/table.ts";
import type { WorkerNote } from "../../core/queue/lane.ts";
import { formatAge } from "../operator/ages.ts";
import type { Condition } from "./conditions.ts";
import type { ModelStatus } from "./model-states.ts";
import type { Readings } from "./reading.ts";

/** More than these would not fit one screen; `--json` has all. */
const WORKERS_SHOWN = 8;
const CAUSE_CHARS = 60;
const UNKNOWN = "?";

/** One screen: what is wrong, then the models, the workers, who fills the queue, and the rest in a line. */
export function formatStatus(
  readings: Readings,
  models: readonly ModelStatus[],
  conditions: readonly Condition[],
): string {
  const { atMs, redis } = readings;
  const parts = [
    `${formatInstant(atMs)} UTC  ${verdictOn(conditions)}`,
    formatConditions(conditions),
    formatModels(models, atMs),
    redis.ok ? formatWorkers(redis.reading.workers) : "",
    formatUsers(readings),
    formatRest(readings),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function verdictOn(conditions: readonly Condition[]): string {
  const count = conditions.filter(({ kind }) => kind === "wrong").length;
  if (count === 0) return "all is well";
  return count === 1 ? "one thing is wrong" : `${count} things are wrong`;
}

const formatConditions = (conditions: readonly Condition[]): string =>
  conditions
    .map(({ kind, text }) => `${kind === "wrong" ? "!" : "-"} ${printable(text)}`)
    .join("\n");

const orUnknown = (count: number | null): string =>
  count === null ? UNKNOWN : formatNumber(count);

/** The models as a table. */
export function formatModels(models: readonly ModelStatus[], atMs: number): string {
  const heading = ["MODEL", "STATE", "OPEN", "PARKED", "READY", "OLDEST", "PER SECOND"];
  heading.push("LAST STARTS IN", "WORKERS", "UNDER WAY", "WHY");
  const rows = models.map((one) => [
    one.model,
    stateOf(one, atMs),
    orUnknown(one.open),
    orUnknown(one.parked),
    orUnknown(one.ready),
    one.oldestMs === null ? "" : formatAge(one.oldestMs),
    one.ratePerSecond === null ? UNKNOWN : formatRate(one.ratePerSecond),
    startsIn(one),
    orUnknown(one.workers),
    one.underWay === null ? UNKNOWN : `${formatNumber(one.underWay)} of ${orUnknown(one.limit)}`,
    shortened(one.cause ?? usersOf(one)),
  ]);
  return formatTable(heading, rows);
}

function stateOf({ state, nextProbeAtMs }: ModelStatus, atMs: number): string {
  const words = state.replaceAll("_", " ");
  if (nextProbeAtMs === null || state !== "paused") return words;
  const inMs = nextProbeAtMs - atMs;
  return inMs > 0 ? `${words}, tried in ${formatAge(inMs)}` : `${words}, being tried`;
}

const usersOf = ({ usersInTrouble }: ModelStatus): string =>
  usersInTrouble === null || usersInTrouble === 0
    ? ""
    : `${formatNumber(usersInTrouble)} users in trouble by themselves`;

const formatRate = (perSecond: number): string =>
  perSecond < 10 ? perSecond.toFixed(1) : formatNumber(Math.round(perSecond));

function startsIn({ lastStartsInMs }: ModelStatus): string {
  return lastStartsInMs === null ? UNKNOWN : formatAge(lastStartsInMs);
}

const shortened = (text: string): string =>
  text.length <= CAUSE_CHARS ? text : `${text.slice(0, CAUSE_CHARS - 1)}…`;

function formatWorkers(workers: readonly WorkerNote[]): string {
  if (workers.length === 0) return "no worker gives a sign of life";
  const rows = workers.slice(0, WORKERS_SHOWN).map(({ workerId, host, models }) => {
    const all = Object.entries(models);
    const missing = all.filter(([, { problem }]) => problem !== null).map(([model]) => model);
    return [
      workerId,
      host,
      formatNumber(all.reduce((sum, [, { underWay }]) => sum + underWay, 0)),
      all.map(([model, { limit }]) => `${model} ${limit}`).join(", "),
      missing.join(", "),
    ];
  });
  const table = formatTable(["WORKER", "HOST", "UNDER WAY", "LIMITS", "KEY MISSING FOR"], rows);
  const more = workers.length - WORKERS_SHOWN;
  return more > 0 ? `${table}\nand ${more} more workers` : table;
}

function formatUsers({ atMs, postgres }: Readings): string {
  if (!postgres.ok) return "";
  const { mostOpen, mostBilledToday } = postgres.reading;
  const parts: string[] = [];
  if (mostOpen.length > 0) {
    const heading = ["MOST OPEN REQUESTS", "OPEN", "TOKENS HELD", "OLDEST"];
    const rows = mostOpen.map((user) => [
      whoIs(user),
      formatNumber(user.requests),
      formatNumber(user.tokens),
      formatAge(atMs - user.oldestCreatedAtMs),
    ]);
    parts.push(formatTable(heading, rows));
  }
  if (mostBilledToday.length > 0) {
    const heading = ["MOST TOKENS TODAY (UTC)", "REQUESTS", "TOKENS"];
    const rows = mostBilledToday.map((user) => [
      whoIs(user),
      formatNumber(user.requests),
      formatNumber(user.tokens),
    ]);
    parts.push(formatTable(heading, rows));
  }
  return parts.join("\n\n");
}

const whoIs = ({ userId, email }: UserCount): string => email ?? `${userId} (deleted)`;

function formatRest({ postgres, broker }: Readings): string {
  const { requests, results } = broker.ok ? broker.reading.dead : { requests: null, results: null };
  const store = postgres.ok ? postgres.reading : null;
  const hasKeeper = store?.hasKeeper === true ? "yes" : "none";
  return [
    `dead letters: ${orUnknown(requests)} requests, ${orUnknown(results)} results`,
    `outbox: ${orUnknown(store?.outbox ?? null)}`,
    `gateways: ${orUnknown(store?.gateways ?? null)}`,
    `keeper: ${store === null ? UNKNOWN : hasKeeper}`,
  ].join("   ");
}
