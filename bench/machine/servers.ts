import { join } from "node:path";

import { statePaths } from "../../adapters/state/paths.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { chooseSource } from "../../local/servers/choose-source.ts";
import { findEngineProblem } from "../../local/servers/docker-engine.ts";
import { LOCAL_SERVERS, readLocalState } from "../../local/servers/local.ts";
import {
  startPrivateServers,
  startTestServers,
  type TestServers,
} from "../../local/servers/test-servers.ts";

export interface BenchServers extends TestServers {
  /** pid → part, as far as they are processes that we started; else empty. */
  labels: Map<number, string>;
  /** Where they came from, for the report. */
  source: string;
}

const SOURCES = { url: "given by the environment", docker: "containers" };

/**
 * Servers that only this run uses, chosen and started as by `./tollgate test`; encrypted ones are always of
 * this machine.
 */
export async function startBenchServers(
  env: Record<string, string | undefined>,
  progress: Progress,
  { isEncrypted = false } = {},
): Promise<BenchServers> {
  const source = chooseSource({ env, dockerProblem: findEngineProblem });
  if (source !== "local" && !isEncrypted) {
    const servers = await startTestServers(env, progress);
    return { ...servers, labels: new Map(), source: SOURCES[source] };
  }
  const home = join(statePaths().dir, "bench");
  const servers = await startPrivateServers(home, progress, env["PATH"] ?? "", isEncrypted);
  const labels = new Map<number, string>();
  for (const { name } of LOCAL_SERVERS) {
    for (const { identity } of readLocalState(servers.paths, name)?.processes ?? [])
      labels.set(identity.pid, name);
  }
  return { ...servers, labels, source: "private processes on this machine" };
}
