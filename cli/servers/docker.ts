import { createHash } from "node:crypto";
import { join } from "node:path";

import { Type as t } from "@sinclair/typebox";

import { CommandFailure } from "../failure.ts";
import { readJsonFile, writeJsonFile } from "../json-file.ts";
import { lastLines } from "../log-tail.ts";
import { PROJECT_ROOT, shortPath, type StatePaths } from "../paths.ts";
import { findFreePorts } from "../ports.ts";
import { openLog } from "../processes.ts";
import type { Progress } from "../progress.ts";
import type { ServerUrls } from "./urls.ts";

const DETECT_LIMIT_MS = 5_000;
/** Pulls three images the first time. */
const UP_LIMIT_MS = 15 * 60 * 1000;
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

function succeeds(...command: string[]): boolean {
  try {
    return Bun.spawnSync(command, {
      stdout: "ignore",
      stderr: "ignore",
      timeout: DETECT_LIMIT_MS,
    }).success;
  } catch {
    return false;
  }
}

/** Why no Docker Engine can be used; undefined when one answers. */
export function findEngineProblem(): string | undefined {
  if (Bun.which("docker") === null) return "the docker command is not on PATH";
  if (!succeeds("docker", "version", "--format", "{{.Server.Version}}"))
    return "no Docker Engine answers";
  return undefined;
}

/** The same for Compose, which runs the servers of `up`. */
export function findComposeProblem(): string | undefined {
  const problem = findEngineProblem();
  if (problem !== undefined) return problem;
  return succeeds("docker", "compose", "version")
    ? undefined
    : "docker compose is missing: install the Compose plug-in";
}

/** One project per checkout, so that two checkouts do not share their data. */
function composeCommand(paths: StatePaths): string[] {
  const checkout = createHash("sha256").update(paths.dir).digest("hex").slice(0, 8);
  const file = join(PROJECT_ROOT, "docker", "servers.yaml");
  return ["docker", "compose", "--project-name", `tollgate-${checkout}`, "--file", file];
}

const statePath = (paths: StatePaths): string => join(paths.servers, "docker.json");

async function compose(paths: StatePaths, args: string[], limitMs: number): Promise<void> {
  const state = readJsonFile(statePath(paths), ComposeStateSchema);
  const logPath = join(paths.logs, "docker.log");
  const log = openLog(logPath);
  const run = Bun.spawn([...composeCommand(paths), ...args], {
    env: {
      ...process.env,
      TOLLGATE_DOCKER_PASSWORD: state?.password ?? "none",
      TOLLGATE_DOCKER_POSTGRES_PORT: String(state?.postgres ?? 0),
      TOLLGATE_DOCKER_REDIS_PORT: String(state?.redis ?? 0),
      TOLLGATE_DOCKER_AMQP_PORT: String(state?.amqp ?? 0),
    },
    stdin: "ignore",
    stdout: log,
    stderr: log,
    timeout: limitMs,
  });
  if ((await run.exited) === 0) return;
  throw new CommandFailure(
    `docker compose ${args[0]} failed: ${lastLines(logPath, 1)[0] ?? ""} (log: ${shortPath(logPath)}): mend it, or set TOLLGATE_SERVERS=local`,
  );
}

/** Starts the servers as containers and waits until Compose calls them healthy. */
export async function startDockerServers(
  paths: StatePaths,
  progress: Progress,
): Promise<ServerUrls> {
  let state = readJsonFile(statePath(paths), ComposeStateSchema);
  if (state === undefined) {
    const [postgres = 0, redis = 0, amqp = 0] = await findFreePorts(3);
    const password = Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("hex");
    state = { started: true, password, postgres, redis, amqp };
  }
  writeJsonFile(statePath(paths), { ...state, started: true });
  await progress.step("PostgreSQL, Redis and RabbitMQ in Docker", async () => {
    await compose(paths, ["up", "--detach", "--wait"], UP_LIMIT_MS);
    return {};
  });
  const { password, postgres, redis, amqp } = state;
  return {
    postgres: `postgres://tollgate:${password}@127.0.0.1:${postgres}/tollgate`,
    redis: `redis://:${password}@127.0.0.1:${redis}/0`,
    amqp: `amqp://tollgate:${password}@127.0.0.1:${amqp}`,
  };
}

/** Whether `up` started containers that `down` has not stopped. */
export const areDockerServersStarted = (paths: StatePaths): boolean =>
  readJsonFile(statePath(paths), ComposeStateSchema)?.started === true;

/** Stops the containers; with `purge` their volumes go as well. */
export async function stopDockerServers(paths: StatePaths, purge: boolean): Promise<void> {
  const state = readJsonFile(statePath(paths), ComposeStateSchema);
  if (state === undefined || !(state.started || purge)) return;
  const args = ["down", "--timeout", String(STOP_GRACE_SECONDS), ...(purge ? ["--volumes"] : [])];
  await compose(paths, args, STOP_LIMIT_MS);
  writeJsonFile(statePath(paths), { ...state, started: false });
}
