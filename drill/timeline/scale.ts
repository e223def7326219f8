/** The smallest of 1, 2, 5, 10, 20, 50, … that is not below a value. */
export function niceCeiling(value: number): number {
  if (!(value > 1)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const nice = [1, 2, 5, 10].find((step) => step * power >= value) ?? 10;
  return nice * power;
}

/** A figure on an axis: 12000 as 12k. */
export function shortFigure(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000}M`;
  return value >= 1_000 ? `${value / 1_000}k` : String(value);
}

/** Seconds as minutes and seconds: 95 as 1:35. */
export const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")}`;

/** Moments for a time axis, at whole minutes and about ten of them. */
export function minuteTicks(seconds: number): number[] {
  const every = 60 * niceCeiling(seconds / 60 / 12);
  return Array.from({ length: Math.floor(seconds / every) + 1 }, (_, at) => at * every);
}
