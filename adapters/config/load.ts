import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";

import { ConfigError, parseConfig } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import type { Log } from "../../runtime/log.ts";
import { createJsonProtocol, MappingError } from "../ml/json.ts";

type Environment = Record<string, string | undefined>;

/**
 * Reads the YAML file and the environment.
 *
 * @throws {ConfigError} when the file is missing, is not YAML, does not fit the schema, or has an expression
 * that does not compile
 */
export async function loadConfig(path: string, env: Environment): Promise<Config> {
  const config = parseConfig(await readYaml(path), env);
  const problems = mappingProblems(config);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** @throws {ConfigError} when the file is missing or is not YAML */
export async function readYaml(path: string): Promise<unknown> {
  const file = Bun.file(path);
  if (!(await file.exists()))
    throw new ConfigError([`${path}: there is no such file (set TOLLGATE_CONFIG to its path)`]);
  try {
    return Bun.YAML.parse(await file.text());
  } catch (error) {
    throw new ConfigError([
      `${path}: is not YAML: ${error instanceof Error ? error.message : String(error)}`,
    ]);
  }
}

/**
 * An expression that does not compile, found only at the first attempt, would fail every request of its
 * model.
 */
function mappingProblems({ models }: Config): string[] {
  return Object.entries(models).flatMap(([name, { mapping }]) => {
    if (mapping === undefined) return [];
    try {
      createJsonProtocol(mapping);
      return [];
    } catch (error) {
      if (error instanceof MappingError) return [`models.${name}.${error.message}`];
      throw error;
    }
  });
}

export interface LiveConfig {
  /**
   * The configuration that applies now. What needs a restart is read once at start; models, tiers and retries
   * are read at each use.
   */
  current: () => Config;
  /** Reads the file again now. A bad file is refused and logged, and the old configuration stays. */
  reload: () => Promise<void>;
  /** Calls back with each configuration that applies after the first. The listener must not throw. */
  onReload: (listener: (config: Config) => void) => void;
  stop: () => void;
}

/** Editors write in several steps; the file is read once, after the last. */
const SETTLE_MS = 200;

/**
 * Keeps the configuration up to date when the file changes; call `reload` on SIGHUP.
 *
 * @throws {ConfigError} when the file is not valid at the start
 */
export async function watchConfig(path: string, env: Environment, log: Log): Promise<LiveConfig> {
  let current = await loadConfig(path, env);
  let timer: NodeJS.Timeout | undefined;
  const listeners: ((config: Config) => void)[] = [];

  async function reload(): Promise<void> {
    try {
      const next = await loadConfig(path, env);
      if (Bun.deepEquals(next, current)) return;
      current = next;
      log.info({ path }, "configuration reloaded");
      for (const listener of listeners) listener(next);
    } catch (error) {
      log.error({ err: error, path }, "the new configuration is refused, the old one stays");
    }
  }

  // The folder, not the file: editors and Kubernetes replace the file by a rename.
  const watcher: FSWatcher = watch(dirname(path), (_event, name) => {
    if (name !== null && name !== basename(path) && !name.startsWith("..")) return;
    clearTimeout(timer);
    timer = setTimeout(() => void reload(), SETTLE_MS);
  });
  watcher.on("error", (error) =>
    log.warn({ err: error }, "the configuration is no longer watched; SIGHUP still works"),
  );

  return {
    current: () => current,
    reload,
    onReload: (listener) => void listeners.push(listener),
    stop: () => {
      clearTimeout(timer);
      watcher.close();
    },
  };
}
