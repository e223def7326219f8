import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { CommandFailure, describeError } from "../../adapters/terminal/failure.ts";
import { readJsonFile, writeJsonFile } from "../../adapters/state/json-file.ts";
import { lastTellingLine, type LogEnds, logEnds } from "../processes/log-tail.ts";
import { shortPath, type StatePaths } from "../../adapters/state/paths.ts";
import { findFreePorts, isPortFree, waitForListener } from "../processes/ports.ts";
import { isRunning } from "../processes/process-identity.ts";
import { spawnDetached, stopProcess } from "../processes/processes.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { findBinaries, type ServerBinaries, type ServerName } from "./binaries.ts";
import { installServers } from "./install.ts";
import {
  type LocalProgram,
  type LocalService,
  type LocalState,
  LocalStateSchema,
} from "./local-server.ts";
import { newPassword } from "./password.ts";
import { LOCAL_POSTGRES } from "./postgres.ts";
import { LOCAL_RABBITMQ } from "./rabbitmq.ts";
import { LOCAL_REDIS } from "./redis.ts";
import type { LocalTls } from "../tls/local-tls.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";

export const LOCAL_SERVERS: readonly LocalService<ServerName>[] = [
  LOCAL_POSTGRES,
  LOCAL_REDIS,
  LOCAL_RABBITMQ,
];

/** From the start of the process; RabbitMQ takes 5 s on 2 cores that have nothing else to do. */
const READY_LIMIT_MS = 90_000;
/** Backends of a killed PostgreSQL notice within about as long. */
const START_PAUSE_MS = 1_000;
const START_TRIES_MAX = 3;
/** Whether it listens in the end is found out with the other checks. */
const LISTEN_LIMIT_MS = 10_000;
const PING_LIMIT_MS = 2_000;
/** Patient: one that is merely busy must not be taken for dead and restarted. */
const STILL_RUNNING_LIMIT_MS = 10_000;
/** Then by force: the servers recover from that, and Ctrl-C is to be over within 10 s. */
const STOP_GRACE_MS = 4_000;
const PING_PAUSE_MS = 100;

const statePath = (paths: StatePaths, name: string): string => join(paths.servers, `${name}.json`);

export const readLocalState = (paths: StatePaths, name: string): LocalState | undefined =>
  readJsonFile(statePath(paths, name), LocalStateSchema);

/**
 * Starts the three private servers at the same time, or goes on with those that still run. What is not
 * installed is installed first.
 *
 * @throws {CommandFailure} naming the server that failed and its log
 */
export async function startLocalServers(
  paths: StatePaths,
  progress: Progress,
  searchPath: string,
  tls?: LocalTls,
): Promise<ServerUrls> {
  const binaries = await findOrInstall(progress, searchPath);
  const [postgres, redis, rabbitmq] = await settleAll([
    startServer(LOCAL_POSTGRES, binaries.postgres, paths, progress, tls),
    startServer(LOCAL_REDIS, binaries.redis, paths, progress, tls),
    startServer(LOCAL_RABBITMQ, binaries.rabbitmq, paths, progress, tls),
  ]);
  return { postgres, redis, amqp: rabbitmq };
}

const isMissing = (found: Partial<ServerBinaries>): ServerName[] =>
  LOCAL_SERVERS.map(({ name }) => name).filter((name) => found[name] === undefined);

async function findOrInstall(progress: Progress, searchPath: string): Promise<ServerBinaries> {
  let found = findBinaries(searchPath);
  const missing = isMissing(found);
  if (missing.length > 0) {
    await installServers(missing, progress);
    found = findBinaries(searchPath);
  }
  const { postgres, redis, rabbitmq } = found;
  if (postgres === undefined || redis === undefined || rabbitmq === undefined) {
    throw new CommandFailure(
      `${isMissing(found).join(" and ")} still cannot be found after the installation: put their ` +
        "programs on PATH",
    );
  }
  return { postgres, redis, rabbitmq };
}

/** Waits for all before it reports the first failure, so that nothing is still being started afterwards. */
async function settleAll<Values extends readonly unknown[]>(promises: {
  readonly [Index in keyof Values]: Promise<Values[Index]>;
}): Promise<Values> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

/**
 * Starts a private server, or goes on with the one that still runs, and returns its URL.
 *
 * @throws {CommandFailure} naming its log
 */
export async function startServer<Binaries>(
  server: LocalProgram<string, Binaries>,
  binaries: Binaries,
  paths: StatePaths,
  progress: Progress,
  tls?: LocalTls,
): Promise<string> {
  const { url } = await progress.step(server.title, async () => {
    const remembered = readLocalState(paths, server.name);
    const isSame = remembered !== undefined && Bun.deepEquals(remembered.tls, tls);
    if (isSame && (await answers(server, remembered))) {
      return { url: server.url(remembered), detail: "still running" };
    }
    await stopServer(server, paths);
    for (let tries = 1; ; tries++) {
      const ports = await choosePorts(
        server.portNames,
        tries === 1 ? remembered?.ports : undefined,
      );
      const password = remembered?.password ?? newPassword();
      const since = logEnds(paths.logs);
      const state: LocalState = { ports, password, processes: [], ...(tls && { tls }) };
      await launchServer(server, binaries, paths, state);
      const failure = await waitUntilReady(server, state, paths, since);
      if (failure === undefined)
        return { url: server.url(state), detail: `port ${state.ports[server.portNames[0]]}` };
      await stopServer(server, paths);
      // Between our look at a port and its use somebody else may take it; then others will do. Or the
      // backends of a server that was killed are not gone yet.
      if (!failure.endedEarly || tries === START_TRIES_MAX) throw failure.cause;
      await Bun.sleep(START_PAUSE_MS);
    }
  });
  return url;
}

/**
 * Starts the processes of a server that do not run; the note of them, `state`, is changed and written as they
 * come.
 */
async function launchServer<Binaries>(
  server: LocalProgram<string, Binaries>,
  binaries: Binaries,
  paths: StatePaths,
  state: LocalState,
  signal?: AbortSignal,
): Promise<void> {
  const folder = join(paths.servers, server.name);
  // The user that PostgreSQL runs as must get through.
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  state.processes = state.processes.filter(({ identity }) => isRunning(identity));
  writeJsonFile(statePath(paths, server.name), state);
  for (const launch of await server.prepare({ folder, ...state }, binaries)) {
    if (state.processes.some(({ name }) => name === launch.name)) continue;
    signal?.throwIfAborted();
    const logPath = join(paths.logs, `${launch.name}.log`);
    const identity = await spawnDetached({ ...launch, cwd: folder, logPath });
    state.processes.push({
      name: launch.name,
      identity,
      started_at: new Date().toISOString(),
    });
    writeJsonFile(statePath(paths, server.name), state);
    if (launch.listensOn !== undefined) await waitForListener(launch.listensOn, LISTEN_LIMIT_MS);
  }
}

/**
 * Starts those processes of a server again that have ended, with its data, password and ports; resolves once
 * it answers. Throws at once when its port is somebody else's: whoever uses the server knows no other.
 *
 * @throws {CommandFailure} naming its log
 */
export async function reviveServer<Binaries>(
  server: LocalProgram<string, Binaries>,
  binaries: Binaries,
  paths: StatePaths,
  signal: AbortSignal,
): Promise<void> {
  const state = readLocalState(paths, server.name);
  if (state === undefined) throw new CommandFailure(`${server.title} was never started`);
  const since = logEnds(paths.logs);
  await launchServer(server, binaries, paths, state, signal);
  const failure = await waitUntilReady(server, state, paths, since, signal);
  if (failure !== undefined) throw failure.cause;
}

async function choosePorts(
  names: readonly string[],
  remembered: LocalState["ports"] | undefined,
): Promise<LocalState["ports"]> {
  const ports: LocalState["ports"] = {};
  for (const name of names) {
    const old = remembered?.[name];
    if (old !== undefined && (await isPortFree(old))) ports[name] = old;
  }
  const wanted = names.filter((name) => ports[name] === undefined);
  const fresh = await findFreePorts(wanted.length);
  for (const [i, name] of wanted.entries()) ports[name] = fresh[i] ?? 0;
  return ports;
}

async function answers(server: LocalService, state: LocalState): Promise<boolean> {
  if (state.processes.length === 0) return false;
  if (!state.processes.every(({ identity }) => isRunning(identity))) return false;
  try {
    await server.ping(server.url(state), STILL_RUNNING_LIMIT_MS);
    return true;
  } catch {
    return false;
  }
}

/** Undefined once the server answers; else why it does not, and whether a process of it ended by itself. */
async function waitUntilReady(
  server: LocalService,
  state: LocalState,
  paths: StatePaths,
  since: LogEnds,
  signal?: AbortSignal,
): Promise<{ cause: CommandFailure; endedEarly: boolean } | undefined> {
  const deadline = Date.now() + READY_LIMIT_MS;
  let reason = "it did not answer";
  while (Date.now() < deadline) {
    signal?.throwIfAborted();
    const ended = state.processes.find(({ identity }) => !isRunning(identity));
    if (ended !== undefined) {
      const cause = startFailure(server, paths, since, `${ended.name} ended`, ended.name);
      return { cause, endedEarly: true };
    }
    try {
      await server.ping(server.url(state), PING_LIMIT_MS);
      return undefined;
    } catch (error) {
      reason = describeError(error);
    }
    await Bun.sleep(PING_PAUSE_MS);
  }
  reason = `not ready within ${READY_LIMIT_MS / 1000} s (${reason})`;
  return { cause: startFailure(server, paths, since, reason, server.name), endedEarly: false };
}

function startFailure(
  server: LocalService,
  paths: StatePaths,
  since: LogEnds,
  reason: string,
  logName: string,
): CommandFailure {
  const log = join(paths.logs, `${logName}.log`);
  return new CommandFailure(
    `${server.title} did not start: ${reason}: ${lastTellingLine(log, since)} — mend it (log: ` +
      `${shortPath(log)}) and run this again, or start over without its data: ./tollgate down --purge`,
  );
}

/** Stops what was started of one server, last started first. */
export async function stopServer(server: LocalService, paths: StatePaths): Promise<void> {
  const state = readLocalState(paths, server.name);
  if (state === undefined) return;
  for (const { identity, name } of state.processes.toReversed()) {
    const signal = name === server.name ? server.stopSignal : "SIGTERM";
    await stopProcess(identity, { signal, graceMs: STOP_GRACE_MS });
  }
  writeJsonFile(statePath(paths, server.name), { ...state, processes: [] });
}

/** Stops the private servers, whoever started them, all at the same time. Their data stay. */
export async function stopLocalServers(paths: StatePaths): Promise<void> {
  await Promise.all(LOCAL_SERVERS.map((server) => stopServer(server, paths)));
}
