import type { Config } from "../../core/config/schema.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import type { StatePaths } from "../../adapters/state/paths.ts";
import { readEnvFile, SECRET_VARIABLES, type SecretName } from "../../adapters/state/secrets.ts";
import {
  SERVER_VARIABLES,
  serverEnvironment,
  type ServerUrls,
} from "../../adapters/state/server-urls.ts";
import { configPath, readConfig } from "../../adapters/state/read-config.ts";
import { readUpJson, type UpJson } from "../../adapters/state/up-json.ts";

type Environment = Record<string, string | undefined>;

export type ServerName = keyof ServerUrls;

/** What a command cannot do without. */
export interface Needs {
  servers: readonly ServerName[];
  /**
   * Those that it uses: `encryptionKeys` where content is opened or messages are read and written,
   * `keyPepper` where API keys are hashed. It runs where others are not known.
   */
  secrets: readonly SecretName[];
}

/** Every way to name a server in the environment. */
const NAMES: Readonly<Record<ServerName, readonly string[]>> = {
  postgres: [SERVER_VARIABLES.postgres, "TOLLGATE_POSTGRES__URL"],
  redis: [SERVER_VARIABLES.redis, "TOLLGATE_REDIS__URL"],
  amqp: [SERVER_VARIABLES.amqp, "TOLLGATE_AMQP__URL"],
};

const SERVERS: readonly ServerName[] = ["postgres", "redis", "amqp"];

/** Fits the schema and opens nothing. */
const NO_KEYS = "none";

/**
 * The configuration that a command works with: of the environment if that names servers or a configuration
 * file, else of the running `up`. The two are never mixed: the ledger of one system and the counters of
 * another would be repaired into each other. The secrets that `up` made are used where its database is.
 *
 * @throws {CommandFailure} saying what to set or start
 */
export async function readSetup(
  env: Environment,
  paths: StatePaths,
  needs: Needs,
): Promise<{ config: Config; up: UpJson | undefined }> {
  const up = readUpJson(paths);
  const named = { ...env, ...systemOf(env, up, needs.servers) };
  const { postgres } = await readConfig({ ...named, ...secretsOf(env) });
  const isUps = up?.postgres === postgres.url;
  const known = { ...(isUps ? readEnvFile(paths.secretsEnv) : undefined), ...env };
  requireSecrets(needs.secrets, known, up);
  return { config: await readConfig({ ...named, ...secretsOf(known) }), up };
}

/** What the environment leaves open: the servers and the file of `up`, if the command is about that. */
function systemOf(
  env: Environment,
  up: UpJson | undefined,
  needed: readonly ServerName[],
): Record<string, string> {
  const isNamed = (server: ServerName): boolean => NAMES[server].some((name) => env[name]);
  const named = SERVERS.filter(isNamed);
  const isChosen = Boolean(env["TOLLGATE_CONFIG"]);
  if (named.length === 0) {
    if (up !== undefined && (!isChosen || configPath(env) === configOf(up)))
      return { ...serverEnvironment(up), TOLLGATE_CONFIG: configOf(up) };
    // A configuration file that was chosen by name speaks for the servers it names.
    if (isChosen) return {};
    const variables = needed.map((server) => SERVER_VARIABLES[server]).join(", ");
    throw new CommandFailure(
      `there is nothing to work on: start ./tollgate up, or set ${variables}`,
      { exitCode: EXIT.notRunning },
    );
  }
  const missing = needed.filter((server) => !isNamed(server));
  if (isChosen || missing.length === 0) return {};
  const [set, unset] = [named, missing].map((list) =>
    list.map((server) => SERVER_VARIABLES[server]).join(" and "),
  );
  throw new CommandFailure(
    `the environment names ${set} but not ${unset}: ` +
      "set what belongs together, or nothing to use ./tollgate up",
    { exitCode: EXIT.usage },
  );
}

const configOf = (up: UpJson): string => up.config ?? configPath({});

/** @throws {CommandFailure} naming those that are missing */
function requireSecrets(
  needed: readonly SecretName[],
  env: Environment,
  up: UpJson | undefined,
): void {
  const missing = needed.map((secret) => SECRET_VARIABLES[secret]).filter((name) => !env[name]);
  if (missing.length === 0) return;
  const another =
    up === undefined ? "" : `; for ./tollgate up name no servers, and ${configOf(up)} or no file`;
  throw new CommandFailure(
    `${missing.join(" and ")} must be set: the values that the gateways of this system run with${another}`,
    { exitCode: EXIT.usage },
  );
}

/** The secrets of an environment, as far as it has them. */
const secretsOf = (env: Environment): Environment => ({
  [SECRET_VARIABLES.encryptionKeys]: env[SECRET_VARIABLES.encryptionKeys] || NO_KEYS,
  [SECRET_VARIABLES.keyPepper]: env[SECRET_VARIABLES.keyPepper],
});
