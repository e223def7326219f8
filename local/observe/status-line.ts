import { callHere, type CallerTls } from "../../adapters/process/direct.ts";
import type { MetricName } from "../../core/metrics.ts";
import {
  type Buckets,
  bucketsOf,
  parseMetrics,
  quantileBetween,
  type Sample,
  sumOf,
} from "./prometheus-text.ts";
import type { UpJson } from "../../adapters/state/up-json.ts";

/** What the live line is made of, read at one moment. */
export interface Reading {
  atMs: number;
  accepted: number;
  waiting: number;
  running: number;
  completed: number;
  acceptance: Buckets;
}

const SCRAPE_LIMIT_MS = 1_000;

const metric = (name: MetricName): string => name;

export function readingOf(atMs: number, samples: readonly Sample[]): Reading {
  return {
    atMs,
    accepted: sumOf(samples, metric("gateway_requests_total"), { route: "generate", code: "202" }),
    waiting: sumOf(samples, metric("gateway_requests_waiting")),
    running: sumOf(samples, metric("worker_actors"), { state: "busy" }),
    completed: sumOf(samples, metric("collector_results_total"), { outcome: "completed" }),
    acceptance: bucketsOf(samples, metric("gateway_request_duration_seconds"), {
      route: "generate",
    }),
  };
}

/** Reads all roles; one that does not answer just now adds nothing. */
export async function scrape(metrics: UpJson["metrics"], tls?: CallerTls): Promise<Reading> {
  const texts = await Promise.all(
    Object.values(metrics).map(async (url) => {
      try {
        const reply = await fetch(url, {
          ...callHere(tls),
          signal: AbortSignal.timeout(SCRAPE_LIMIT_MS),
        });
        return await reply.text();
      } catch {
        return "";
      }
    }),
  );
  return readingOf(Date.now(), texts.flatMap(parseMetrics));
}

/** The live line, from two readings; p99 is the time to accept, over the time between them. */
export function formatStatusLine(before: Reading, now: Reading): string {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const rate = Math.max(0, now.accepted - before.accepted) / seconds;
  const p99 = quantileBetween(0.99, before.acceptance, now.acceptance);
  return [
    `${rate.toFixed(rate < 10 ? 1 : 0)} accepted/s`,
    `${now.waiting} waiting`,
    `${now.running} running`,
    `${now.completed} completed`,
    `p99 ${p99 === undefined ? "–" : `${(p99 * 1000).toFixed(1)} ms`}`,
  ].join("  ");
}
