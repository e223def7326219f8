import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
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
import { type LocalTls, provideLocalTls } from "../tls/local-tls.ts";
import { chooseSource, urlsFromEnvironment } from "./choose-source.ts";
import { findEngineProblem } from "./docker-engine.ts";
import { startLocalServers, stopLocalServers } from "./local.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";

export interface TestServers {
  urls: ServerUrls;
  /** When they take encrypted connections only. */
  tls?: LocalTls;
  /** Stops and deletes them; those of the environment stay. */
  remove: () => Promise<void>;
}

/** Tells tests the folder of the certificates of their servers. */
export const TLS_VARIABLE = "TOLLGATE_TEST_TLS";

/** From the making of a folder to the writing of its owner, at most. */
const OWNER_WRITTEN_MS = 60_000;

type Environment = Record<string, string | undefined>;

/** Servers that only this test run uses, each ready for clients. */
export async function startTestServers(
  env: Environment,
  progress: Progress,
  { isEncrypted = false } = {},
): Promise<TestServers> {
  const source = isEncrypted ? "local" : chooseSource({ env, dockerProblem: findEngineProblem });
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
      return await startPrivateServers(
        join(statePaths().dir, "test"),
        progress,
        env["PATH"] ?? "",
        isEncrypted,
      );
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
  isEncrypted = false,
): Promise<TestServers & { paths: StatePaths }> {
  mkdirSync(home, { recursive: true });
  await removeAbandoned(home);
  const folder = makeOwnFolder(home);
  const paths = statePaths(folder);
  const remove = async (): Promise<void> => {
    await stopLocalServers(paths);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const tls = isEncrypted ? await provideLocalTls(paths.tls) : undefined;
    const urls = await startLocalServers(paths, progress, searchPath, tls);
    return { urls, remove, paths, ...(tls && { tls }) };
  } catch (error) {
    // The log stays: the failure names it. The next run removes it.
    await stopLocalServers(paths);
    throw error;
  }
}

/** Whoever looks for abandoned folders sees it together with its owner, or too young to judge. */
function makeOwnFolder(home: string): string {
  const folder = join(home, `${process.pid}-${randomBytes(3).toString("hex")}`);
  mkdirSync(folder);
  writeJsonFile(join(folder, "owner.json"), identifyProcess(process.pid));
  return folder;
}

function isNew(folder: string): boolean {
  const madeAt = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Date.now() - madeAt < OWNER_WRITTEN_MS;
}

async function removeAbandoned(home: string): Promise<void> {
  for (const name of readdirSync(home)) {
    const folder = join(home, name);
    const owner = readJsonFile(join(folder, "owner.json"), ProcessIdentitySchema);
    if (owner === undefined ? isNew(join(home, name)) : isRunning(owner)) continue;
    await stopLocalServers(statePaths(folder));
    rmSync(folder, { recursive: true, force: true });
  }
}
