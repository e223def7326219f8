import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "@prometheus-io/client";

import {
  METRICS,
  type MetricRole,
  type Metrics,
  type MetricSpec,
  silentMetrics,
} from "../../core/metrics.ts";

export interface MetricsRegistry {
  metrics: Metrics;
  contentType: string;
  /** The text exposition; `refresh` callbacks run first. */
  render: () => Promise<string>;
  /**
   * Registers a callback that brings gauges up to date before each scrape; it should be quick and must not
   * throw.
   */
  onScrape: (refresh: () => void | Promise<void>) => void;
}

function labelled(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));
}

function register(registry: Registry, name: string, spec: MetricSpec) {
  const options = { name, help: spec.help, labelNames: [...spec.labels], registers: [registry] };
  switch (spec.type) {
    case "counter": {
      const counter = new Counter(options);
      if (spec.labels.length === 0) return { add: (amount: number) => counter.inc(amount) };
      return {
        add: (amount: number, ...labels: string[]) =>
          counter.inc(labelled(spec.labels, labels), amount),
      };
    }
    case "gauge": {
      const gauge = new Gauge(options);
      if (spec.labels.length === 0) return { set: (value: number) => gauge.set(value) };
      return {
        set: (value: number, ...labels: string[]) =>
          gauge.set(labelled(spec.labels, labels), value),
      };
    }
    case "histogram": {
      const histogram = new Histogram({ ...options, buckets: [...(spec.buckets ?? [])] });
      if (spec.labels.length === 0) return { observe: (value: number) => histogram.observe(value) };
      return {
        observe: (value: number, ...labels: string[]) =>
          histogram.observe(labelled(spec.labels, labels), value),
      };
    }
  }
}

/** Registers the metrics of one role, and those of the process; the others are silent. */
export function createMetricsRegistry(role: MetricRole): MetricsRegistry {
  const registry = new Registry();
  const refreshers: (() => void | Promise<void>)[] = [];
  collectDefaultMetrics({ register: registry });
  const ours = Object.entries(METRICS as Record<string, MetricSpec>)
    .filter(([, spec]) => spec.roles.includes(role))
    .map(([name, spec]) => [name, register(registry, name, spec)]);
  return {
    metrics: { ...silentMetrics(), ...(Object.fromEntries(ours) as Partial<Metrics>) },
    contentType: registry.contentType,
    onScrape: (refresh) => void refreshers.push(refresh),
    render: async () => {
      for (const refresh of refreshers) await refresh();
      return registry.metrics();
    },
  };
}
