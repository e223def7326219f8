import { dayOf } from "../../core/windows.ts";
import { invalidParameter } from "../http/parameters.ts";

const DAY_MS = 86_400_000;
const DAYS_MAX = 366;

/** First and last UTC day, both included, `YYYY-MM-DD`. */
export interface Period {
  from: string;
  to: string;
}

function dayMs(name: string, text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // Some days that do not exist, such as 30 February, are parsed as a later one.
  if (Number.isNaN(ms) || dayOf(ms) !== text)
    throw invalidParameter(name, "must be a day as YYYY-MM-DD");
  return ms;
}

/**
 * The days that a usage is asked for. Without `to` until today, without `from` since the first of the month that `to` is in.
 *
 * @throws {Fault} PARAMETER_INVALID
 */
export function periodOf(from: string | undefined, to: string | undefined, nowMs: number): Period {
  const last = to ?? dayOf(nowMs);
  const lastMs = dayMs("to", last);
  const first = from ?? `${last.slice(0, 7)}-01`;
  const firstMs = dayMs("from", first);
  if (firstMs > lastMs) throw invalidParameter("from", `must not be after ${last}`);
  if (lastMs - firstMs >= DAYS_MAX * DAY_MS)
    throw invalidParameter("from", `must be at most ${DAYS_MAX} days before the end, ${last}`);
  return { from: first, to: last };
}
