import { expect, test } from "bun:test";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { prometheusConfig } from "./prometheus.ts";

interface PrometheusFile {
  global: unknown;
  rule_files: string[];
  scrape_configs: {
    job_name: string;
    static_configs?: { targets: string[]; labels: Record<string, string> }[];
    relabel_configs?: { target_label: string; replacement: string }[];
  }[];
}

const TARGETS = {
  gateway: ["http://127.0.0.1:9090/metrics"],
  worker: ["http://127.0.0.1:9091/metrics", "http://127.0.0.1:9191/metrics"],
  collector: ["http://127.0.0.1:9092/metrics"],
};

const configured = JSON.parse(prometheusConfig(TARGETS)) as PrometheusFile;

test("every process is read under the job of its role", () => {
  const jobs = configured.scrape_configs.map(({ job_name: job, static_configs: found }) => [
    job,
    found?.flatMap(({ targets }) => targets),
  ]);

  expect(jobs).toEqual([
    ["gateway", ["127.0.0.1:9090"]],
    ["worker", ["127.0.0.1:9091", "127.0.0.1:9191"]],
    ["collector", ["127.0.0.1:9092"]],
  ]);
});

test("jobs, labels, intervals and rules are those of the Compose file's Prometheus", async () => {
  const path = join(PROJECT_ROOT, "docker", "prometheus.yml");
  const compose = Bun.YAML.parse(await Bun.file(path).text()) as PrometheusFile;

  expect(configured.global).toEqual(compose.global);
  expect(configured.rule_files).toEqual([join(PROJECT_ROOT, "docker", "prometheus-rules.yaml")]);
  expect(
    configured.scrape_configs.map(({ job_name: job, static_configs: found }) => [
      job,
      found?.[0]?.labels,
    ]),
  ).toEqual(
    compose.scrape_configs.map(({ job_name: job, relabel_configs: labels }) => [
      job,
      Object.fromEntries(labels?.map((one) => [one.target_label, one.replacement]) ?? []),
    ]),
  );
});
