import { NO_LIMIT } from "../../core/quota/limits.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(\d{1,6})([smhd])$/;

const wrongUse = (message: string): CommandFailure =>
  new CommandFailure(message, { exitCode: EXIT.usage });

/** `90d`, `24h`, `30m`, `0s` in milliseconds. @throws {CommandFailure} */
export function parseDuration(text: string, flag: string): number {
  const [, count, unit] = DURATION.exec(text) ?? [];
  if (count === undefined || unit === undefined)
    throw wrongUse(`${flag} ${text} is not a duration: write 90d, 24h, 30m or 45s`);
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

/** A whole number from `min` on. @throws {CommandFailure} */
export function parseCount(
  text: string,
  flag: string,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count >= min && count <= max) return count;
  throw wrongUse(`${flag} ${text} is not valid: give a whole number from ${min} to ${max}`);
}

/** A limit as PostgreSQL stores it: a number, `none` as `NO_LIMIT`, `tier` as null. @throws {CommandFailure} */
export function parseLimit(text: string, flag: string, min = 0, max?: number): number | null {
  if (text === "tier") return null;
  if (text === "none") return NO_LIMIT;
  if (!/^\d+$/.test(text))
    throw wrongUse(`${flag} ${text} is not a limit: give a whole number, none, or tier`);
  return parseCount(text, flag, min, max);
}
