import { join } from "node:path";

import { statePaths } from "../../adapters/state/paths.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { chooseSource, urlsFromEnvironment } from "../../local/servers/choose-source.ts";
import { findEngineProblem } from "../../local/servers/docker-engine.ts";
import { readLocalState } from "../../local/servers/local.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";
import { startPrivateServers, startTestServers } from "../../local/servers/test-servers.ts";

export interface BenchServers {
  urls: ServerUrls;
  /**
   * pid → part, as far as the servers are processes that we started; empty for containers and servers of
   * somebody else.
   */
  labels: Map<number, string>;
  /** Where they came from, for the report. */
  source: string;
  remove: () => Promise<void>;
}

type Environment = Record<string, string | undefined>;

/** Servers that only this run uses, chosen and started as by `./tollgate test`. */
export async function startBenchServers(
  env: Environment,
  progress: Progress,
): Promise<BenchServers> {
  const source = chooseSource({ env, dockerProblem: findEngineProblem });
  if (source !== "local") {
    const servers = await startTestServers(env, progress);
    const isGiven = urlsFromEnvironment(env) !== undefined;
    const from = isGiven ? "given by the environment" : "containers";
    return { ...servers, labels: new Map(), source: from };
  }
  const home = join(statePaths().dir, "bench");
  const servers = await startPrivateServers(home, progress, env["PATH"] ?? "");
  const labels = new Map<number, string>();
  const paths = statePaths(join(home, String(process.pid)));
  for (const name of ["postgres", "redis", "rabbitmq"] as const) {
    for (const { identity } of readLocalState(paths, name)?.processes ?? [])
      labels.set(identity.pid, name);
  }
  return { ...servers, labels, source: "private processes on this machine" };
}
