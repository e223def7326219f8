import { NO_LIMIT } from "../../core/quota/limits.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { formatNumber } from "../../adapters/terminal/table.ts";

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

/** A duration that something works for, so not nothing. @throws {CommandFailure} */
export function parseLifetime(text: string, flag: string): number {
  const durationMs = parseDuration(text, flag);
  if (durationMs > 0) return durationMs;
  throw wrongUse(`with ${flag} ${text} it would never work: give a duration such as 90d or 24h`);
}

const PLAIN = /^\d+$/;
const GROUPED = /^\d{1,3}(?:(?:,\d{3})+|(?:_\d{3})+)$/;
const SCALED = /^(\d+)([kKM])$/;
/** Not m, which is a thousandth to some and a million to others. */
const SCALES: Readonly<Record<string, number>> = { k: 1e3, K: 1e3, M: 1e6 };

/**
 * A whole number as we print it (`1,000,000`) or people write it (`1000000`, `1_000_000`, `200k`, `5M`).
 * undefined: it is something else, or could be meant otherwise, such as `1,5`.
 */
export function readAmount(text: string): number | undefined {
  const [, count, unit = ""] = SCALED.exec(text) ?? [];
  if (count !== undefined) return safe(Number(count) * (SCALES[unit] ?? Number.NaN));
  return PLAIN.test(text) || GROUPED.test(text)
    ? safe(Number(text.replaceAll(/[,_]/g, "")))
    : undefined;
}

/** Above 2^53 a number is not the one that was written. */
const safe = (amount: number): number | undefined =>
  Number.isSafeInteger(amount) ? amount : undefined;

/** A whole number from `min` on, as `readAmount` reads it. @throws {CommandFailure} */
export function parseCount(
  text: string,
  flag: string,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const count = readAmount(text);
  if (count !== undefined && count >= min && count <= max) return count;
  const [least, most] = [min, max].map(formatNumber);
  throw wrongUse(`${flag} ${text} is not valid: give a whole number from ${least} to ${most}`);
}

/**
 * A limit as PostgreSQL stores it: a number, `none` as `NO_LIMIT`, `tier` as null.
 *
 * @throws {CommandFailure}
 */
export function parseLimit(text: string, flag: string, min = 0, max?: number): number | null {
  if (text === "tier") return null;
  if (text === "none") return NO_LIMIT;
  if (readAmount(text) === undefined)
    throw wrongUse(
      `${flag} ${text} is not a limit: give a whole number such as 200000, 200,000 or 200k, none, or tier`,
    );
  return parseCount(text, flag, min, max);
}
