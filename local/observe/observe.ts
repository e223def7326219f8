import type { CallerTls } from "../../adapters/process/direct.ts";
import { shortPath, type StatePaths } from "../../adapters/state/paths.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { startServer, stopServer } from "../servers/local.ts";
import type { LocalService } from "../servers/local-server.ts";
import { DASHBOARDS, findGrafana, localGrafana } from "./grafana.ts";
import {
  checkGivenPrometheus,
  countSeries,
  findOrInstallPrometheus,
  localPrometheus,
  type ScrapeTargets,
} from "./prometheus.ts";

/** Where people can look; Grafana only where it is installed. */
export interface Observers {
  prometheus: string;
  grafana?: string;
}

export interface Observed {
  /** `/metrics` of each role. */
  targets: ScrapeTargets;
  /** The URL of a role that may read what the dashboards show; undefined: none is known. */
  postgres: string | undefined;
  /** With which `/metrics` are read; undefined: plain text. */
  tls?: CallerTls;
}

const GIVEN_LIMIT_MS = 5_000;

type Environment = Record<string, string | undefined>;

const NOWHERE: Observed = {
  targets: { gateway: [], worker: [], collector: [] },
  postgres: undefined,
};

/** What `up --observe` starts, for those who only list or stop it. */
export const OBSERVERS: readonly LocalService[] = [
  localPrometheus(NOWHERE),
  localGrafana({ prometheus: "", postgres: undefined }),
];

/**
 * Brings a Prometheus that reads our metrics (that of PROMETHEUS_URL, else a private one), and Grafana with
 * the dashboards where it is installed.
 *
 * @throws {CommandFailure} when Prometheus cannot be had
 */
export async function startObservers(
  paths: StatePaths,
  progress: Progress,
  env: Environment,
  observed: Observed,
): Promise<Observers> {
  // What an earlier up left running may read other ports. The data stay.
  await stopObservers(paths);
  const searchPath = env["PATH"] ?? "";
  const prometheus = await bringPrometheus(paths, progress, env, observed);
  const program = findGrafana(searchPath);
  if (program === null) {
    progress.say(
      "  No grafana-server on PATH (Debian has no package): the dashboards are in " +
        `${shortPath(DASHBOARDS)}, to import anywhere.`,
    );
    return { prometheus };
  }
  if (observed.postgres === undefined)
    progress.say(
      "  Grafana shows nothing of PostgreSQL, which is yours: make it a role by " +
        "./tollgate migrate --reader, and give its URL in GRAFANA_DATABASE_URL.",
    );
  const server = localGrafana({ prometheus, postgres: observed.postgres });
  return { prometheus, grafana: await startServer(server, program, paths, progress) };
}

async function bringPrometheus(
  paths: StatePaths,
  progress: Progress,
  env: Environment,
  { targets, tls }: Observed,
): Promise<string> {
  const given = env["PROMETHEUS_URL"] ?? "";
  if (given === "") {
    const orElse = "or set PROMETHEUS_URL to one of your own, or leave out --observe";
    const program = await findOrInstallPrometheus(progress, env["PATH"] ?? "", orElse);
    return await startServer(localPrometheus({ targets, tls }), program, paths, progress);
  }
  await progress.step("Prometheus of PROMETHEUS_URL", async () => {
    await checkGivenPrometheus(given);
    return { detail: given };
  });
  if ((await countSeries(given, 'up{job="gateway",namespace="tollgate"}', GIVEN_LIMIT_MS)) === 0) {
    progress.say(
      "  It does not read our metrics yet: docker/prometheus.yml has the jobs and labels, " +
        `${Object.values(targets).flat().join(", ")} are the addresses.`,
    );
  }
  return given;
}

/** Stops what `startObservers` started; that of PROMETHEUS_URL is somebody else's. The data stay. */
export async function stopObservers(paths: StatePaths): Promise<void> {
  await Promise.all(OBSERVERS.map((server) => stopServer(server, paths)));
}
