import { METRICS, type MetricName, type Metrics } from "../../core/metrics.ts";

export interface RecordedMetrics {
  metrics: Metrics;
  /** A counter's sum, a gauge's last value, or how often a histogram was observed; 0 if never. */
  value: (name: MetricName, ...labels: string[]) => number;
}

export function recordMetrics(): RecordedMetrics {
  const values = new Map<string, number>();
  const keyOf = (name: string, labels: string[]): string => [name, ...labels].join("|");
  const handleOf = (name: string) => {
    const read = (labels: string[]): number => values.get(keyOf(name, labels)) ?? 0;
    return {
      add: (amount: number, ...labels: string[]) =>
        void values.set(keyOf(name, labels), read(labels) + amount),
      set: (value: number, ...labels: string[]) => void values.set(keyOf(name, labels), value),
      observe: (_: number, ...labels: string[]) =>
        void values.set(keyOf(name, labels), read(labels) + 1),
    };
  };
  return {
    metrics: Object.fromEntries(
      Object.keys(METRICS).map((name) => [name, handleOf(name)]),
    ) as unknown as Metrics,
    value: (name, ...labels) => values.get(keyOf(name, labels)) ?? 0,
  };
}
