import type { Gauge } from "../core/metrics.ts";

/** The gauge, told only of changes: most turns leave the numbers as they were, and telling costs more than looking. */
export function onChange(gauge: Gauge): Gauge {
  const told = new Map<string, number>();
  return {
    set(value, ...labels) {
      const series = labels.join(" ");
      if (told.get(series) === value) return;
      told.set(series, value);
      gauge.set(value, ...labels);
    },
  };
}
