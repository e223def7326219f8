import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Static, Type as t } from "@sinclair/typebox";

import { pingAmqp, pingPostgres, pingRedis } from "../../adapters/ping.ts";
import { CommandFailure, describeError } from "../../adapters/terminal/failure.ts";
import { readJsonFile, writeJsonFile } from "../../adapters/state/json-file.ts";
import { lastTellingLine, logEnds } from "../processes/log-tail.ts";
import { PROJECT_ROOT, shortPath, type StatePaths } from "../../adapters/state/paths.ts";
import { findFreePorts, isPortFree } from "../processes/ports.ts";
import { openLog } from "../processes/processes.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { findCompose, findContainers } from "./docker-engine.ts";
import { readServerConfig } from "./local-server.ts";
import { newPassword } from "./password.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";

/** Pulls three images the first time. */
const UP_LIMIT_MS = 15 * 60 * 1000;
const READY_LIMIT_MS = 90_000;
const PING_LIMIT_MS = 2_000;
const PING_PAUSE_MS = 200;
const LOG_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 30_000;
/** Before Docker kills a server: Ctrl-C is to be over within 10 s. */
const STOP_GRACE_SECONDS = 4;

const ComposeStateSchema = t.Object({
  /** Containers may exist. */
  started: t.Boolean(),
  password: t.String({ minLength: 1 }),
  postgres: t.Integer(),
  redis: t.Integer(),
  amqp: t.Integer(),
});
type ComposeState = Static<typeof ComposeStateSchema>;

/** The services of docker/servers.yaml. */
const SERVICES = [
  { name: "postgres", title: "PostgreSQL", url: "postgres", ping: pingPostgres },
  { name: "redis", title: "Redis", url: "redis", ping: pingRedis },
  { name: "rabbitmq", title: "RabbitMQ", url: "amqp", ping: pingAmqp },
] as const;
type Service = (typeof SERVICES)[number];

const statePath = (paths: StatePaths): string => join(paths.servers, "docker.json");
const readState = (paths: StatePaths): ComposeState | undefined =>
  readJsonFile(statePath(paths), ComposeStateSchema);

/** One project per checkout, so that two checkouts do not share their data. */
const projectName = (paths: StatePaths): string =>
  `tollgate-${createHash("sha256").update(paths.dir).digest("hex").slice(0, 8)}`;

const configFolder = (paths: StatePaths): string => join(paths.servers, "docker");

/**
 * The servers read their configuration as users of their own, who may not read what git wrote under a strict
 * umask.
 */
async function writeConfig(paths: StatePaths): Promise<void> {
  mkdirSync(configFolder(paths), { recursive: true });
  for (const name of ["postgresql.conf", "redis.conf"]) {
    const file = join(configFolder(paths), name);
    writeFileSync(file, await readServerConfig(name));
    chmodSync(file, 0o644);
  }
}

/**
 * Runs a command of Compose, its output in a log.
 *
 * @throws {CommandFailure} when there is no Compose or it fails
 */
async function compose(
  paths: StatePaths,
  args: readonly string[],
  { limitMs, logName = "docker" }: { limitMs: number; logName?: string },
): Promise<void> {
  const found = findCompose();
  if ("problem" in found)
    throw new CommandFailure(
      `the servers are in Docker, but ${found.problem}: mend that and run this again`,
    );
  const state = readState(paths);
  const logPath = join(paths.logs, `${logName}.log`);
  const since = logEnds(paths.logs);
  const log = openLog(logPath);
  const file = join(PROJECT_ROOT, "docker", "servers.yaml");
  const run = Bun.spawn(
    [...found.command, "--project-name", projectName(paths), "--file", file, ...args],
    {
      env: {
        ...process.env,
        TOLLGATE_DOCKER_CONFIG: configFolder(paths),
        TOLLGATE_DOCKER_PASSWORD: state?.password ?? "none",
        TOLLGATE_DOCKER_POSTGRES_PORT: String(state?.postgres ?? 0),
        TOLLGATE_DOCKER_REDIS_PORT: String(state?.redis ?? 0),
        TOLLGATE_DOCKER_AMQP_PORT: String(state?.amqp ?? 0),
      },
      stdin: "ignore",
      stdout: log,
      stderr: log,
      timeout: limitMs,
    },
  );
  if ((await run.exited) === 0) return;
  const why =
    run.signalCode === null ? lastTellingLine(logPath, since) : `ended by ${run.signalCode}`;
  throw new CommandFailure(
    `${found.command.join(" ")} ${args[0]} failed: ${why} (log: ${shortPath(logPath)}): mend it, or ` +
      "set TOLLGATE_SERVERS=local",
  );
}

/** The ports of last time, so that noted URLs go on working, unless somebody else has taken one. */
async function chooseState(remembered: ComposeState | undefined): Promise<ComposeState> {
  if (remembered !== undefined) {
    // The containers of an `up` that was killed hold their ports themselves.
    if (remembered.started) return remembered;
    const ports = [remembered.postgres, remembered.redis, remembered.amqp];
    const areFree = await Promise.all(ports.map((port) => isPortFree(port)));
    if (areFree.every(Boolean)) return { ...remembered, started: true };
  }
  const [postgres = 0, redis = 0, amqp = 0] = await findFreePorts(3);
  const password = remembered?.password ?? newPassword();
  return { started: true, password, postgres, redis, amqp };
}

/**
 * Starts the servers as containers; each has answered a real client through its published port when this
 * returns.
 *
 * @throws {CommandFailure} naming the server that failed and its log
 */
export async function startDockerServers(
  paths: StatePaths,
  progress: Progress,
): Promise<ServerUrls> {
  const state = await chooseState(readState(paths));
  writeJsonFile(statePath(paths), state);
  const { password, postgres, redis, amqp } = state;
  const urls = {
    postgres: `postgres://tollgate:${password}@127.0.0.1:${postgres}/tollgate`,
    redis: `redis://:${password}@127.0.0.1:${redis}/0`,
    amqp: `amqp://tollgate:${password}@127.0.0.1:${amqp}`,
  };
  await progress.step("PostgreSQL, Redis and RabbitMQ in Docker", async () => {
    await writeConfig(paths);
    await compose(paths, ["up", "--detach"], { limitMs: UP_LIMIT_MS });
    await waitUntilReady(paths, urls);
    return { detail: `ports ${postgres}, ${redis}, ${amqp}` };
  });
  return urls;
}

/** The services whose container is there, and whether it runs. */
function findServices(paths: StatePaths): Map<string, boolean> {
  const ofProject = `label=com.docker.compose.project=${projectName(paths)}`;
  const containers = findContainers([ofProject], "com.docker.compose.service");
  return new Map(containers.map(({ labelled, isRunning }) => [labelled, isRunning]));
}

async function waitUntilReady(paths: StatePaths, urls: ServerUrls): Promise<void> {
  const deadline = Date.now() + READY_LIMIT_MS;
  let waiting = await findUnready(SERVICES, urls);
  while (waiting.length > 0) {
    const services = findServices(paths);
    const failed = waiting.find(({ service }) => services.get(service.name) === false);
    if (failed !== undefined)
      throw await startFailure(paths, failed.service, "its container ended");
    const [late] = waiting;
    if (late !== undefined && Date.now() > deadline) {
      const reason = `not ready within ${READY_LIMIT_MS / 1000} s (${late.reason})`;
      throw await startFailure(paths, late.service, reason);
    }
    await Bun.sleep(PING_PAUSE_MS);
    waiting = await findUnready(
      waiting.map(({ service }) => service),
      urls,
    );
  }
}

async function findUnready(
  services: readonly Service[],
  urls: ServerUrls,
): Promise<{ service: Service; reason: string }[]> {
  const answers = await Promise.allSettled(
    services.map((service) => service.ping(urls[service.url], PING_LIMIT_MS)),
  );
  return services.flatMap((service, i) => {
    const answer = answers[i];
    if (answer?.status !== "rejected") return [];
    return [{ service, reason: describeError(answer.reason) }];
  });
}

/** What the container said is put beside the other logs first: it goes when the container is removed. */
async function startFailure(
  paths: StatePaths,
  { name, title }: Service,
  reason: string,
): Promise<CommandFailure> {
  const args = ["logs", "--no-color", "--no-log-prefix", "--tail=200", name];
  const since = logEnds(paths.logs);
  await compose(paths, args, { limitMs: LOG_LIMIT_MS, logName: name });
  const log = join(paths.logs, `${name}.log`);
  return new CommandFailure(
    `${title} did not start in Docker: ${reason}: ${lastTellingLine(log, since)} — mend it (log: ` +
      `${shortPath(log)}) and run this again, or start over without its data: ./tollgate down --purge`,
  );
}

/** The servers that `up` started as containers and `down` has not stopped; empty when there are none. */
export function listDockerServers(
  paths: StatePaths,
): { name: string; isRunning: boolean; port: number }[] {
  const state = readState(paths);
  if (state?.started !== true) return [];
  const services = findServices(paths);
  return SERVICES.map(({ name, url }) => ({
    name,
    isRunning: services.get(name) === true,
    port: state[url],
  }));
}

/** Stops the containers; with `purge` their volumes go as well. */
export async function stopDockerServers(paths: StatePaths, purge: boolean): Promise<void> {
  const state = readState(paths);
  if (state === undefined || !(state.started || purge)) return;
  const args = ["down", "--timeout", String(STOP_GRACE_SECONDS), ...(purge ? ["--volumes"] : [])];
  await compose(paths, args, { limitMs: STOP_LIMIT_MS });
  writeJsonFile(statePath(paths), { ...state, started: false });
}
