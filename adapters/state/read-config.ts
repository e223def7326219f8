import { join, resolve } from "node:path";

import { loadConfig } from "../config/load.ts";
import { ConfigError } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import { CommandFailure, EXIT } from "../terminal/failure.ts";
import { PROJECT_ROOT } from "./paths.ts";

type Environment = Record<string, string | undefined>;

/**
 * Absolute path of the file that the components read: `TOLLGATE_CONFIG`, or `tollgate.yaml` of the checkout.
 */
export const configPath = (env: Environment): string =>
  resolve(env["TOLLGATE_CONFIG"] || join(PROJECT_ROOT, "tollgate.yaml"));

/**
 * The configuration as the components will see it.
 *
 * @throws {CommandFailure} naming every bad field
 */
export async function readConfig(env: Environment): Promise<Config> {
  try {
    return await loadConfig(configPath(env), env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CommandFailure(
      `the configuration is not valid: ${error.problems.join("; ")}: ` +
        `correct ${configPath(env)} or the TOLLGATE_ variables`,
      { exitCode: EXIT.usage, cause: error },
    );
  }
}
