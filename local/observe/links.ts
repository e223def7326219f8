import { DIRECT } from "../../adapters/process/direct.ts";
import type { MetricName } from "../../core/metrics.ts";

const metric = (name: MetricName): string => name;
const DURATION = metric("gateway_request_duration_seconds");

/** What people ask first, as PromQL. */
const QUESTIONS: readonly { title: string; query: string }[] = [
  {
    title: "calls of POST /generate per second, by answer",
    query: `sum by (code) (rate(${metric("gateway_requests_total")}{route="generate"}[1m]))`,
  },
  {
    title: "seconds to accept a request, p99",
    query: `histogram_quantile(0.99, sum by (le) (rate(${DURATION}_bucket{route="generate"}[1m])))`,
  },
  {
    title: "tokens per minute, by model",
    query: `sum by (model) (rate(${metric("ml_tokens_processed_total")}[1m])) * 60`,
  },
  {
    title: "requests waiting, by model",
    query: `max by (model) (${metric("gateway_requests_waiting")})`,
  },
];

const RANGE = "15m";
const LIMIT_MS = 2_000;

export interface Links {
  alerts: string;
  /** Ready-made questions; the last asks all of them. */
  graphs: readonly { title: string; url: string }[];
}

/** A page that draws these queries, one below the other. */
function graphUrl(page: URL, queries: readonly string[]): string {
  const url = new URL(page);
  for (const [i, query] of queries.entries()) {
    url.searchParams.set(`g${i}.expr`, query);
    url.searchParams.set(`g${i}.tab`, "0");
    url.searchParams.set(`g${i}.range_input`, RANGE);
  }
  return url.toString();
}

/**
 * Debian's Prometheus has its graphs at /classic/graph, version 3 at /query; both lead there from /graph but
 * lose the question.
 */
async function findGraphPage(url: string): Promise<URL> {
  const asked = `${url.replace(/\/$/, "")}/graph`;
  let page = asked;
  try {
    const reply = await fetch(asked, { ...DIRECT, signal: AbortSignal.timeout(LIMIT_MS) });
    await reply.body?.cancel();
    if (reply.ok) page = reply.url;
  } catch {
    // It answered a moment ago; links are not worth failing for.
  }
  const found = new URL(page);
  found.search = "";
  return found;
}

/** Pages of a Prometheus that show our metrics. */
export async function findLinks(url: string): Promise<Links> {
  const page = await findGraphPage(url);
  const all = QUESTIONS.map(({ query }) => query);
  return {
    alerts: new URL("alerts", page).toString(),
    graphs: [
      ...QUESTIONS.map(({ title, query }) => ({ title, url: graphUrl(page, [query]) })),
      { title: "all of these", url: graphUrl(page, all) },
    ],
  };
}
