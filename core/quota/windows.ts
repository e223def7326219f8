export const WINDOW_KINDS = ["daily", "monthly"] as const;
export type WindowKind = (typeof WINDOW_KINDS)[number];

/** UTC day of an instant, `YYYY-MM-DD`: the id of its daily window. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** Window id of a kind that a UTC day (`YYYY-MM-DD`) falls in: the day itself or its month `YYYY-MM`. */
export function windowIdOf(kind: WindowKind, day: string): string {
  return kind === "daily" ? day : day.slice(0, 7);
}

/**
 * When the window that `day` falls in ends, Unix milliseconds: the next UTC midnight, or the first of the
 * next month.
 */
export function windowEndMs(kind: WindowKind, day: string): number {
  const year = Number(day.slice(0, 4));
  const month = Number(day.slice(5, 7)) - 1;
  return kind === "daily"
    ? Date.UTC(year, month, Number(day.slice(8, 10)) + 1)
    : Date.UTC(year, month + 1, 1);
}
