import { METRICS, type MetricRole, type MetricSpec } from "../../core/metrics.ts";

/** A metric as a query uses it: its name and the labels that it selects by. */
export interface MetricUse {
  name: string;
  labels: string[];
}

/** Words of PromQL that are no metrics; a parenthesis tells a function. */
const WORDS = new Set([
  "and",
  "or",
  "unless",
  "by",
  "without",
  "on",
  "ignoring",
  "bool",
  "group_left",
  "group_right",
  "offset",
]);

/** Added by the scrape, or by a histogram. */
const SCRAPE_LABELS = ["namespace", "job", "instance", "le"];

/** What every process exports beside our own metrics. */
const PROCESS_METRIC = /^(process|nodejs)_/;

const withoutStrings = (query: string): string => query.replace(/"(?:\\.|[^"\\])*"/g, '""');

/** Grafana's variables replaced by what they stand for on a running stack. */
export function withoutVariables(query: string): string {
  return query
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$namespace", ".*")
    .replaceAll("$model", ".*");
}

/** The metrics of a query, with the labels in their selectors. */
export function metricsOf(query: string): MetricUse[] {
  const text = withoutStrings(withoutVariables(query))
    // Label lists of aggregations and matches are no metrics.
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, "")
    .replace(/\[[^\]]*\]/g, "");
  return [...text.matchAll(/(?<![\w:])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?/g)]
    .filter(([, name = "", after = ""]) => after !== "(" && !WORDS.has(name))
    .map(([, name = "", selector = ""]) => ({
      name,
      labels: [...selector.matchAll(/(\w+)\s*(?:=|!)/g)].map(([, label = ""]) => label),
    }));
}

/** Labels that a query groups by. */
export const groupsOf = (query: string): string[] =>
  [...withoutStrings(query).matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(",").map((label) => label.trim()),
  );

/** The spec of a name as Prometheus knows it: `_bucket`, `_sum` and `_count` belong to their histogram. */
export function specOf(name: string): MetricSpec | undefined {
  const specs: Record<string, MetricSpec> = METRICS;
  const own = specs[name];
  if (own !== undefined && own.type !== "histogram") return own;
  const base = specs[name.replace(/_(bucket|sum|count)$/, "")];
  return base?.type === "histogram" && base !== own ? base : undefined;
}

/**
 * What is wrong with the names in a query: metrics that no role exports, labels that a metric does not have.
 */
export function nameProblems(query: string, recorded: ReadonlySet<string>): string[] {
  const known = new Set(SCRAPE_LABELS);
  const problems: string[] = [];
  for (const { name, labels } of metricsOf(query)) {
    const spec = specOf(name);
    if (spec === undefined) {
      if (!PROCESS_METRIC.test(name) && !recorded.has(name))
        problems.push(`${name} does not exist`);
      // A recording rule's own query says which labels are left; promtool's tests check them.
      if (recorded.has(name)) for (const label of ["queue", "model"]) known.add(label);
      continue;
    }
    for (const label of spec.labels) known.add(label);
    const allowed = new Set([...spec.labels, ...SCRAPE_LABELS]);
    for (const label of labels.filter((one) => !allowed.has(one)))
      problems.push(`${name} has no label ${label}`);
  }
  for (const label of groupsOf(query).filter((one) => one !== "" && !known.has(one)))
    problems.push(`no metric of the query has the label ${label}`);
  return problems;
}

/** The roles that export all our metrics of a query. */
export function rolesOf(query: string): MetricRole[][] {
  return metricsOf(query).flatMap(({ name }) => {
    const spec = specOf(name);
    return spec === undefined ? [] : [[...spec.roles]];
  });
}

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

interface PrometheusReply {
  status: string;
  error?: string;
  data?: { result: Sample[] };
}

async function ask(prometheusUrl: string, query: string): Promise<Sample[]> {
  const url = new URL("/api/v1/query", prometheusUrl);
  url.searchParams.set("query", query);
  const reply = (await (
    await fetch(url, { signal: AbortSignal.timeout(10_000) })
  ).json()) as PrometheusReply;
  if (reply.data === undefined) throw new Error(`${query}: ${reply.error ?? reply.status}`);
  return reply.data.result;
}

/** The samples of an instant query; a refused query throws Prometheus's own words. */
export const samplesOf = async (prometheusUrl: string, query: string): Promise<number[]> =>
  (await ask(prometheusUrl, query)).map(({ value: [, text] }) => Number(text));

/** The models of those samples, in order; "" where a sample is of none. */
export const modelsOf = async (prometheusUrl: string, query: string): Promise<string[]> =>
  (await ask(prometheusUrl, query))
    .map(({ metric }) => metric["model"] ?? "")
    .toSorted((a, b) => a.localeCompare(b));

/** The query of one model: whatever has the label is of that model. */
export function ofModel(query: string, model: string): string {
  return query.replace(/([a-z_]+)\{/g, (selector, name: string) =>
    specOf(name)?.labels.includes("model") === true ? `${selector}model="${model}",` : selector,
  );
}
