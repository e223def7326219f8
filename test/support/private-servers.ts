import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { writeJsonFile } from "../../adapters/state/json-file.ts";
import { identifyProcess, parseProcStat } from "../../local/processes/process-identity.ts";
import { signalProcess, waitForEnd } from "../../local/processes/processes.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { statePaths } from "../../adapters/state/paths.ts";
import { isPortFree } from "../../local/processes/ports.ts";
import { findBinaries, type ServerName } from "../../local/servers/binaries.ts";
import { readLocalState, startLocalServers, startServer } from "../../local/servers/local.ts";
import type { LocalState } from "../../local/servers/local-server.ts";
import { LOCAL_POSTGRES } from "../../local/servers/postgres.ts";
import { LOCAL_REDIS } from "../../local/servers/redis.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";
import { startPrivateServers } from "../../local/servers/test-servers.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { runRabbitmqctl } from "./rabbitmqctl.ts";

/**
 * PostgreSQL, Redis and RabbitMQ that a test may kill, freeze and rob of their data. Their ports stay the
 * same.
 */
export interface PrivateServers {
  urls: ServerUrls;
  /** Ends one: SIGKILL as a crash, SIGINT (PostgreSQL) or SIGTERM in order. */
  end: (name: ServerName, how: "crash" | "in order") => Promise<void>;
  /** Starts whichever does not run, with the data that is there. */
  start: () => Promise<void>;
  /** Ends one in order and starts it again with more environment. */
  restartWith: (name: "postgres" | "redis", env: Record<string, string>) => Promise<void>;
  /** Stops all processes of a server where they are (SIGSTOP). */
  freeze: (name: ServerName) => void;
  thaw: (name: ServerName) => void;
  /** Keeps a copy of Redis's files as they are now; for `restoreRedis`. */
  saveRedis: () => void;
  /** Puts the copy in the place of Redis's files, or nothing if there is none. Redis must not run. */
  restoreRedis: () => void;
  /** Runs rabbitmqctl against RabbitMQ; returns what it wrote. */
  rabbitmqctl: (...args: string[]) => Promise<string>;
  /** Where the servers keep their files. */
  folder: string;
  remove: () => Promise<void>;
}

const END_LIMIT_MS = 15_000;
const START_TRIES_MAX = 5;
const PORT_LIMIT_MS = 30_000;
const SERVER_NAMES: readonly ServerName[] = ["postgres", "redis", "rabbitmq"];
const URL_OF = { postgres: "postgres", redis: "redis", rabbitmq: "amqp" } as const;
const ORDERLY = { postgres: "SIGINT", redis: "SIGTERM", rabbitmq: "SIGTERM" } as const;
const quiet: Progress = { say: () => {}, step: (_label, act) => act() };

/** Whether the programs of all three are on this machine. */
export function hasServerPrograms(): boolean {
  const { postgres, redis, rabbitmq } = findBinaries(process.env["PATH"] ?? "");
  return postgres !== undefined && redis !== undefined && rabbitmq !== undefined;
}

/** Starts the three as `./tollgate up` does on a machine without Docker, in a folder of their own. */
export async function startServersToWreck(): Promise<PrivateServers> {
  const searchPath = process.env["PATH"] ?? "";
  const { urls, paths, remove } = await startPrivateServers(
    join(statePaths().dir, "test"),
    quiet,
    searchPath,
  );
  const redisData = join(paths.servers, "redis", "data");
  const redisCopy = join(paths.servers, "redis", "copy");

  function stateOf(name: ServerName): LocalState {
    const state = readLocalState(paths, name);
    if (state === undefined) throw new Error(`${name} was never started`);
    return state;
  }

  /** The server's own process, without helpers such as epmd. */
  const identityOf = (name: ServerName): LocalState["processes"][number]["identity"] => {
    const found = stateOf(name).processes.find((one) => one.name === name);
    if (found === undefined) throw new Error(`${name} does not run`);
    return found.identity;
  };

  const portsAtFirst = {
    postgres: stateOf("postgres").ports,
    redis: stateOf("redis").ports,
    rabbitmq: stateOf("rabbitmq").ports,
  };

  const signalAll = (name: ServerName, signal: NodeJS.Signals): void => {
    const { pid } = identityOf(name);
    for (const one of [pid, ...descendantsOf(pid)]) signalUnlessGone(one, signal);
  };

  const end: PrivateServers["end"] = async (name, how) => {
    const identity = identityOf(name);
    // A backend that is busy outlives its server for seconds, which then cannot be started again.
    const others = descendantsOf(identity.pid).flatMap((pid) => identifyProcess(pid) ?? []);
    if (how === "crash") signalAll(name, "SIGKILL");
    else signalProcess(identity, ORDERLY[name]);
    const ends = [identity, ...others].map((process) => waitForEnd(process, END_LIMIT_MS));
    if ((await Promise.all(ends)).includes(false)) throw new Error(`${name} did not end`);
  };

  /**
   * A server that cannot have its port at once, because a socket of the killed one is still there or somebody
   * else tries it, takes another one. Everything here leads to the old one, so it is started again until it
   * has that.
   */
  async function start(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const now = await startLocalServers(paths, quiet, searchPath);
      const moved = SERVER_NAMES.filter((name) => now[URL_OF[name]] !== urls[URL_OF[name]]);
      if (moved.length === 0) return;
      if (tries === START_TRIES_MAX) throw new Error(`${moved.join(", ")} cannot have their ports`);
      for (const name of moved) {
        await end(name, "in order");
        const port = Number(new URL(urls[URL_OF[name]]).port);
        await untilTrue(`port ${port} of ${name} is free`, PORT_LIMIT_MS, () => isPortFree(port));
        const state = { ...stateOf(name), ports: portsAtFirst[name] };
        writeJsonFile(join(paths.servers, `${name}.json`), state);
      }
    }
  }

  return {
    urls,
    end,
    start,
    restartWith: async (name, env) => {
      await end(name, "in order");
      const { postgres, redis } = findBinaries(searchPath);
      if (postgres === undefined || redis === undefined) throw new Error("the programs are gone");
      const within = (program: string): string =>
        writeScript(join(paths.servers, `${name}-with-environment`), program, env);
      if (name === "redis")
        await startServer(LOCAL_REDIS, { server: within(redis.server) }, paths, quiet);
      else {
        const programs = { ...postgres, postgres: within(postgres.postgres) };
        await startServer(LOCAL_POSTGRES, programs, paths, quiet);
      }
    },
    freeze: (name) => signalAll(name, "SIGSTOP"),
    thaw: (name) => signalAll(name, "SIGCONT"),
    saveRedis: () => {
      rmSync(redisCopy, { recursive: true, force: true });
      cpSync(redisData, redisCopy, { recursive: true });
    },
    restoreRedis: () => {
      rmSync(redisData, { recursive: true, force: true });
      cpSync(redisCopy, redisData, { recursive: true });
    },
    rabbitmqctl: async (...args) => {
      const epmdPort = stateOf("rabbitmq").ports["epmd"] ?? 0;
      const folder = join(paths.servers, "rabbitmq");
      return runRabbitmqctl({ node: "tollgate@localhost", folder, epmdPort }, args);
    },
    folder: paths.servers,
    remove,
  };
}

/**
 * A program that becomes another one with more environment, which those that start it do not get; returns its
 * path.
 */
function writeScript(path: string, program: string, env: Record<string, string>): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`);
  writeFileSync(path, `#!/bin/sh\n${exports.join("")}exec '${program}' "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

/**
 * A backend may end between the look and the signal; those behind it in the list must have theirs all the
 * same.
 */
function signalUnlessGone(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ESRCH") throw error;
  }
}

/**
 * Children of a process, and theirs. PostgreSQL's backends are processes of their own, in sessions of their
 * own.
 */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const walk = (one: number): number[] =>
    (children.get(one) ?? []).flatMap((child) => [child, ...walk(child)]);
  return walk(pid);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    if (parseProcStat(stat) === undefined) return undefined;
    // proc(5): the parent's pid comes right after the state.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    // It ended between the list and the look.
    return undefined;
  }
}
