import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { SERVER_VARIABLES, type ServerUrls } from "../../adapters/state/server-urls.ts";

/**
 * Where the servers come from: somebody else runs them, Docker runs them, or we start private ones on this
 * machine.
 */
export const SERVER_SOURCES = ["url", "docker", "local"] as const;
export type ServerSource = (typeof SERVER_SOURCES)[number];

type Environment = Record<string, string | undefined>;

/**
 * The three URLs of the environment; undefined when it names none.
 *
 * @throws {CommandFailure} when it names only some of them
 */
export function urlsFromEnvironment(env: Environment): ServerUrls | undefined {
  const names = Object.values(SERVER_VARIABLES);
  const missing = names.filter((name) => (env[name] ?? "") === "");
  if (missing.length === names.length) return undefined;
  if (missing.length > 0) {
    const given = names.filter((name) => !missing.includes(name));
    throw new CommandFailure(
      `${given.join(" and ")} is set but ${missing.join(" and ")} is not: set all three, or unset ` +
        "all three, or set TOLLGATE_SERVERS=local",
      { exitCode: EXIT.usage },
    );
  }
  return {
    postgres: env[SERVER_VARIABLES.postgres] ?? "",
    redis: env[SERVER_VARIABLES.redis] ?? "",
    amqp: env[SERVER_VARIABLES.amqp] ?? "",
  };
}

/** What `TOLLGATE_SERVERS` forces, if anything. */
export function forcedSource(env: Environment): ServerSource | undefined {
  const forced = env["TOLLGATE_SERVERS"] ?? "";
  if (forced === "") return undefined;
  const source = SERVER_SOURCES.find((name) => name === forced);
  if (source === undefined) {
    throw new CommandFailure(
      `TOLLGATE_SERVERS=${forced} is not known: set it to one of ${SERVER_SOURCES.join(", ")}`,
      { exitCode: EXIT.usage },
    );
  }
  return source;
}

export interface SourceQuestion {
  env: Environment;
  /** Whose data the last run left; it goes on being used, or the data would seem gone once Docker appears. */
  remembered?: ServerSource | undefined;
  /** Why Docker cannot be used, or undefined when it can. Asked only when it matters: it costs a second. */
  dockerProblem: () => string | undefined;
}

/**
 * The order of precedence: what is forced, URLs of the environment, what the last run used, Docker, this
 * machine.
 *
 * @throws {CommandFailure} when what is forced, or what holds the data of the last run, cannot be had
 */
export function chooseSource({ env, remembered, dockerProblem }: SourceQuestion): ServerSource {
  const forced = forcedSource(env);
  if (forced === "local") return "local";
  if (forced === "docker") {
    const problem = dockerProblem();
    if (problem === undefined) return "docker";
    throw new CommandFailure(`TOLLGATE_SERVERS=docker, but ${problem}`);
  }
  if (urlsFromEnvironment(env) !== undefined) return "url";
  if (forced === "url") {
    throw new CommandFailure(
      `TOLLGATE_SERVERS=url, but none of ${Object.values(SERVER_VARIABLES).join(", ")} is set: set all three`,
      { exitCode: EXIT.usage },
    );
  }
  if (remembered === "local") return "local";
  const problem = dockerProblem();
  if (problem === undefined) return "docker";
  if (remembered === "docker") {
    throw new CommandFailure(
      `the data of the last up are in Docker, but ${problem}: mend that, or set ` +
        "TOLLGATE_SERVERS=local to start without them",
    );
  }
  return "local";
}
