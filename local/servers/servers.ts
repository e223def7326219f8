import { tryRedis } from "../../adapters/process/redis.ts";
import { pingAmqp, pingPostgres } from "../../adapters/ping.ts";
import { CommandFailure, describeError, EXIT } from "../../adapters/terminal/failure.ts";
import { stopObservers } from "../observe/observe.ts";
import type { StatePaths } from "../../adapters/state/paths.ts";
import { readConfig } from "../../adapters/state/read-config.ts";
import { Fault } from "../../core/faults.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import type { LocalTls } from "../tls/local-tls.ts";
import { chooseSource, urlsFromEnvironment } from "./choose-source.ts";
import { findComposeProblem } from "./docker-engine.ts";
import { startDockerServers, stopDockerServers } from "./docker.ts";
import { startLocalServers, stopLocalServers } from "./local.ts";
import { readSource, writeSource } from "./state.ts";
import {
  SERVER_VARIABLES,
  type ServerUrls,
  withoutPassword,
} from "../../adapters/state/server-urls.ts";

const PING_LIMIT_MS = 5_000;

type Environment = Record<string, string | undefined>;

/**
 * The three servers of `up`, wherever they come from; each has answered a real client when this returns.
 *
 * @throws {CommandFailure} naming the server that failed and what to do
 */
export async function startServers(
  paths: StatePaths,
  progress: Progress,
  env: Environment,
  tls?: LocalTls,
): Promise<ServerUrls> {
  const remembered = readSource(paths);
  // Only the servers that we run ourselves get certificates from us.
  const source =
    tls === undefined
      ? chooseSource({ env, remembered, dockerProblem: findComposeProblem })
      : requireLocal(env);
  writeSource(paths, source);
  switch (source) {
    case "url":
      return await checkGivenServers(env, progress);
    case "docker":
      return await startDockerServers(paths, progress);
    case "local":
      return await startLocalServers(paths, progress, env["PATH"] ?? "", tls);
  }
}

/**
 * Stops the servers that `up` started, and what watches over them; those of the environment are somebody
 * else's.
 */
export async function stopServers(paths: StatePaths, { purge = false } = {}): Promise<void> {
  await stopObservers(paths);
  await stopDockerServers(paths, purge);
  await stopLocalServers(paths);
}

/** @throws {CommandFailure} when the servers are to be others than those of this machine */
function requireLocal(env: Environment): "local" {
  const wanted = env["TOLLGATE_SERVERS"] ?? "";
  if (urlsFromEnvironment(env) !== undefined || (wanted !== "" && wanted !== "local"))
    throw new CommandFailure(
      "--tls starts servers of its own from this machine's programs: unset DATABASE_URL, REDIS_URL, " +
        "AMQP_URL and TOLLGATE_SERVERS, or leave out --tls and give yours certificates by postgres.tls, " +
        "redis.tls and amqp.tls",
      { exitCode: EXIT.usage },
    );
  return "local";
}

/** A fault says that Redis was not there; its cause, why. */
const causeOf = (error: unknown): unknown =>
  error instanceof Fault ? (error.cause ?? error) : error;

/** TLS says in many ways that certificates do not fit; a server that expects it cuts off plain text. */
function adviceOn(why: string): string {
  return /certificate|\bssl\b|tls|self.signed|ECONNRESET/i.test(why)
    ? "see to the certificates that its URL names, and whether it is to be encrypted " +
        "(docs/configuration.md, Servers and TLS)"
    : "start that server, or unset the variable";
}

async function checkGivenServers(env: Environment, progress: Progress): Promise<ServerUrls> {
  const urls = urlsFromEnvironment(env);
  if (urls === undefined) throw new Error("the source is the environment, but it names no servers");
  const check = (name: keyof ServerUrls, ping: typeof pingPostgres) =>
    progress.step(`server of ${SERVER_VARIABLES[name]}`, async () => {
      try {
        await ping(urls[name], PING_LIMIT_MS);
      } catch (error) {
        throw new CommandFailure(
          `${SERVER_VARIABLES[name]}=${withoutPassword(urls[name])} does not answer: ` +
            `${describeError(causeOf(error))}: ${adviceOn(describeError(causeOf(error)))}`,
          { cause: error },
        );
      }
      return { detail: withoutPassword(urls[name]) };
    });
  await Promise.all([
    check("postgres", pingPostgres),
    check("redis", async (_url, limitMs) => tryRedis(await readConfig(env), limitMs)),
    check("amqp", pingAmqp),
  ]);
  return urls;
}
