/** One sample of a scrape. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/**
 * The samples of a text exposition; what is no sample is skipped.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const [, name, labelText = "", value] = SAMPLE.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const labels: Record<string, string> = {};
    for (const [, label = "", quoted = ""] of labelText.matchAll(LABEL)) labels[label] = quoted;
    samples.push({ name, labels, value: value === "+Inf" ? Infinity : Number(value) });
  }
  return samples;
}

/** The sum of a metric's samples that carry all of these labels; 0 when there are none. */
export function sumOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  return samples
    .filter((sample) => sample.name === name && hasLabels(sample, labels))
    .reduce((sum, { value }) => sum + value, 0);
}

const hasLabels = (sample: Sample, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(labels).every(([label, value]) => sample.labels[label] === value);

/** Observations up to each bound of a histogram, by ascending bound. */
export type Buckets = ReadonlyMap<number, number>;

export function bucketsOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>>,
): Buckets {
  const found = samples
    .filter((sample) => sample.name === `${name}_bucket` && hasLabels(sample, labels))
    .map(({ labels: { le = "" }, value }): [number, number] => [
      le === "+Inf" ? Infinity : Number(le),
      value,
    ]);
  return new Map(found.sort(([a], [b]) => a - b));
}

/**
 * The value below which a share of the observations between two scrapes lies, straight lines within a bucket
 * as Prometheus's histogram_quantile draws them. Undefined when nothing was observed.
 */
export function quantileBetween(share: number, before: Buckets, now: Buckets): number | undefined {
  const counts = [...now].map(([bound, count]): [number, number] => [
    bound,
    count - (before.get(bound) ?? 0),
  ]);
  const total = counts.at(-1)?.[1] ?? 0;
  if (total <= 0) return undefined;
  const rank = share * total;
  let lowerBound = 0;
  let countBelow = 0;
  for (const [bound, count] of counts) {
    if (count >= rank) {
      if (bound === Infinity) return lowerBound;
      const within = count === countBelow ? 1 : (rank - countBelow) / (count - countBelow);
      return lowerBound + (bound - lowerBound) * within;
    }
    lowerBound = bound;
    countBelow = count;
  }
  return lowerBound;
}
