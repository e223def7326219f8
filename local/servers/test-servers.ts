import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { readJsonFile, writeJsonFile } from "../../adapters/state/json-file.ts";
import { type StatePaths, statePaths } from "../../adapters/state/paths.ts";
import {
  identifyProcess,
  isRunning,
  ProcessIdentitySchema,
} from "../processes/process-identity.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { chooseSource, urlsFromEnvironment } from "./choose-source.ts";
import { findEngineProblem } from "./docker-engine.ts";
import { startLocalServers, stopLocalServers } from "./local.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";

export interface TestServers {
  urls: ServerUrls;
  /** Stops and deletes them; those of the environment stay. */
  remove: () => Promise<void>;
}

type Environment = Record<string, string | undefined>;

/** Servers that only this test run uses, each ready for clients. */
export async function startTestServers(env: Environment, progress: Progress): Promise<TestServers> {
  const source = chooseSource({ env, dockerProblem: findEngineProblem });
  switch (source) {
    case "url": {
      const urls = urlsFromEnvironment(env);
      if (urls === undefined) throw new CommandFailure("the environment names no servers");
      return { urls, remove: () => Promise.resolve() };
    }
    case "docker": {
      const { startContainers } = await import("./containers.ts");
      return await startContainers(progress);
    }
    case "local":
      return await startPrivateServers(join(statePaths().dir, "test"), progress, env["PATH"] ?? "");
  }
}

/**
 * A private set of servers in a folder of its own below `home`, so that two test runs do not meet. Sets of
 * test runs that were killed are removed first.
 */
export async function startPrivateServers(
  home: string,
  progress: Progress,
  searchPath: string,
): Promise<TestServers & { paths: StatePaths }> {
  mkdirSync(home, { recursive: true });
  await removeAbandoned(home);
  const folder = join(home, String(process.pid));
  const paths = statePaths(folder);
  const remove = async (): Promise<void> => {
    await stopLocalServers(paths);
    rmSync(folder, { recursive: true, force: true });
  };
  mkdirSync(folder);
  writeJsonFile(join(folder, "owner.json"), identifyProcess(process.pid));
  try {
    return { urls: await startLocalServers(paths, progress, searchPath), remove, paths };
  } catch (error) {
    // The log stays: the failure names it. The next run removes it.
    await stopLocalServers(paths);
    throw error;
  }
}

async function removeAbandoned(home: string): Promise<void> {
  for (const name of readdirSync(home)) {
    const folder = join(home, name);
    const owner = readJsonFile(join(folder, "owner.json"), ProcessIdentitySchema);
    if (owner !== undefined && owner.pid !== process.pid && isRunning(owner)) continue;
    await stopLocalServers(statePaths(folder));
    rmSync(folder, { recursive: true, force: true });
  }
}
