const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** A duration as a person says it, in its two largest units: `3d 4h`, `2m 5s`, `0s`. */
export function formatAge(ms: number): string {
  const rounded = Math.max(0, Math.round(ms / 1_000) * 1_000);
  const first = UNITS.findIndex(([, unitMs]) => rounded >= unitMs);
  if (first === -1) return "0s";
  let left = rounded;
  const parts = UNITS.slice(first, first + 2).map(([unit, unitMs]) => {
    const count = Math.floor(left / unitMs);
    left -= count * unitMs;
    return { unit, count };
  });
  return parts
    .filter(({ count }) => count > 0)
    .map(({ unit, count }) => `${count}${unit}`)
    .join(" ");
}
