import { type CallerTls, DIRECT } from "../../adapters/process/direct.ts";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { CommandFailure, describeError } from "../../adapters/terminal/failure.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { installPackages } from "../servers/install.ts";
import {
  type Launch,
  type LocalProgram,
  type LocalSettings,
  requirePort,
} from "../servers/local-server.ts";

/** Which `/metrics` to read, by job: the rules and dashboards tell roles apart by it. */
export type ScrapeTargets = Readonly<Record<"gateway" | "worker" | "collector", readonly string[]>>;

/** What a Prometheus reads, and with which certificates; undefined: plain text. */
interface Scraped {
  targets: ScrapeTargets;
  tls?: CallerTls;
}

const SCRAPE_SECONDS = 5;
const RULES_SECONDS = 15;
const RETENTION = ["--storage.tsdb.retention.time=7d", "--storage.tsdb.retention.size=512MB"];
/** The rules' `namespace` tells installations apart; this is the one of docker/prometheus.yml. */
const NAMESPACE = "tollgate";
export const RULES_PATH = join(PROJECT_ROOT, "docker", "prometheus-rules.yaml");

/** Changes of a series as Prometheus takes it in, in its own words. */
type Relabeling = Readonly<Record<string, string | readonly string[]>>;

/**
 * A configuration of Prometheus that reads these metrics and has the rules of docker/prometheus-rules.yaml.
 * As JSON, which is YAML. The labels are those of a cluster.
 */
export function prometheusConfig(
  targets: ScrapeTargets,
  { relabelings = [], tls }: { relabelings?: readonly Relabeling[]; tls?: CallerTls } = {},
): string {
  return JSON.stringify(
    {
      global: {
        scrape_interval: `${SCRAPE_SECONDS}s`,
        evaluation_interval: `${RULES_SECONDS}s`,
      },
      rule_files: [RULES_PATH],
      scrape_configs: Object.entries(targets).map(([job, urls]) => ({
        job_name: job,
        ...(tls && {
          scheme: "https",
          tls_config: { ca_file: tls.ca, cert_file: tls.cert, key_file: tls.key },
        }),
        static_configs: [
          { targets: urls.map((url) => new URL(url).host), labels: { namespace: NAMESPACE } },
        ],
        metric_relabel_configs: relabelings,
      })),
    },
    null,
    2,
  );
}

/** Runs Prometheus with a configuration file, its data in a folder, on a port of loopback. */
export function prometheusCommand(
  program: string,
  { configPath, folder, port }: { configPath: string; folder: string; port: number },
): string[] {
  return [
    program,
    `--config.file=${configPath}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    ...RETENTION,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
}

/** The program on the PATH, where Debian's package puts it too; null when it is not installed. */
export const findPrometheus = (searchPath: string): string | null =>
  Bun.which("prometheus", { PATH: searchPath });

/**
 * The program; from Debian's package when it is not there. `orElse` says what else helps where it cannot be
 * had.
 *
 * @throws {CommandFailure} when it cannot be had
 */
export async function findOrInstallPrometheus(
  progress: Progress,
  searchPath: string,
  orElse: string,
): Promise<string> {
  const found = findPrometheus(searchPath);
  if (found !== null) return found;
  await installPackages(
    {
      missing: ["prometheus"],
      packages: ["prometheus"],
      withoutApt: "install Prometheus (macOS: brew install prometheus)",
      orElse,
    },
    progress,
  );
  const installed = findPrometheus(searchPath);
  if (installed !== null) return installed;
  throw new CommandFailure("prometheus cannot be found after its installation: put it on PATH");
}

/** A private Prometheus that reads these metrics. */
export function localPrometheus(scraped: Scraped): LocalProgram<"prometheus", string> {
  return {
    name: "prometheus",
    title: "Prometheus",
    portNames: ["prometheus"],
    prepare: async (settings, program) => [prepare(scraped, settings, program)],
    url: ({ ports }) => `http://127.0.0.1:${requirePort(ports, "prometheus")}`,
    ping: pingPrometheus,
    stopSignal: "SIGTERM",
  };
}

function prepare(
  { targets, tls }: Scraped,
  { folder, ports }: LocalSettings,
  program: string,
): Launch {
  mkdirSync(join(folder, "data"), { recursive: true, mode: 0o700 });
  const configPath = join(folder, "prometheus.yml");
  writeFileSync(configPath, `${prometheusConfig(targets, { tls })}\n`);
  const port = requirePort(ports, "prometheus");
  return {
    name: "prometheus",
    command: prometheusCommand(program, { configPath, folder, port }),
    env: { PATH: process.env["PATH"], TZ: "UTC" },
  };
}

const AnswerSchema = t.Object({ data: t.Object({ result: t.Array(t.Unknown()) }) });

/** How many series an instant query returns. @throws when there is no answer of a Prometheus in time */
export async function countSeries(url: string, query: string, limitMs: number): Promise<number> {
  const asked = new URL(`${url.replace(/\/$/, "")}/api/v1/query`);
  asked.searchParams.set("query", query);
  const reply = await fetch(asked, { ...DIRECT, signal: AbortSignal.timeout(limitMs) });
  if (!reply.ok) throw new Error(`it answers ${reply.status}`);
  return Value.Decode(AnswerSchema, await reply.json()).data.result.length;
}

async function pingPrometheus(url: string, limitMs: number): Promise<void> {
  await countSeries(url, "vector(1)", limitMs);
}

const GIVEN_LIMIT_MS = 5_000;

/** @throws {CommandFailure} when the Prometheus of PROMETHEUS_URL does not answer */
export async function checkGivenPrometheus(url: string): Promise<void> {
  try {
    await pingPrometheus(url, GIVEN_LIMIT_MS);
  } catch (error) {
    throw new CommandFailure(
      `PROMETHEUS_URL=${url} does not answer: ${describeError(error)}: start that Prometheus, or ` +
        "unset the variable",
      { cause: error },
    );
  }
}
