import { join, resolve } from "node:path";

import { loadConfig, readYaml } from "../config/load.ts";
import { ConfigError, parsePostgres } from "../../core/config/parse.ts";
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
export const readConfig = (env: Environment): Promise<Config> =>
  explained(env, () => loadConfig(configPath(env), env));

/** Its section `postgres` alone. @throws {CommandFailure} as `readConfig` */
export const readPostgres = (env: Environment): Promise<Pick<Config, "postgres">> =>
  explained(env, async () => parsePostgres(await readYaml(configPath(env)), env));

async function explained<Result>(env: Environment, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CommandFailure(
      `the configuration is not valid: ${error.problems.join("; ")}: ` +
        `correct ${configPath(env)} or the TOLLGATE_ variables`,
      { exitCode: EXIT.usage, cause: error },
    );
  }
}
