import { callHere, type CallerTls } from "../../adapters/process/direct.ts";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { ComponentPlan } from "../components.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { lastTellingLine, type LogEnds, logEnds } from "../processes/log-tail.ts";
import { PROJECT_ROOT, shortPath, type StatePaths } from "../../adapters/state/paths.ts";
import { isPortFree } from "../processes/ports.ts";
import { isRunning, type ProcessIdentity } from "../processes/process-identity.ts";
import { spawnDetached, stopProcess } from "../processes/processes.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { readStack } from "./supervised-stack.ts";

const READY_LIMIT_MS = 30_000;
const HEALTH_LIMIT_MS = 2_000;
const HEALTH_PAUSE_MS = 50;
/** A component that ended this often will not come up by waiting. */
const RESTARTS_MAX = 3;
/** Longer than the supervisor gives its components. */
const SUPERVISOR_GRACE_MS = 6_000;
const LEFTOVER_GRACE_MS = 3_000;

type Environment = Record<string, string | undefined>;

/** @throws {CommandFailure} naming the first port that is taken and the variable that changes it */
export async function requireFreePorts(components: readonly ComponentPlan[]): Promise<void> {
  for (const { name, ports } of components) {
    for (const { number, variable } of ports) {
      if (await isPortFree(number)) continue;
      throw new CommandFailure(
        `port ${number}, which the ${name} needs, is taken by another program: stop that one, or ` +
          `choose another port: ${variable}=${number + 1000} ./tollgate up`,
      );
    }
  }
}

/**
 * Starts the supervisor with its components and waits until each answers on its health route.
 *
 * @throws {CommandFailure} naming the component that failed and its log
 */
export async function startComponents(
  components: readonly ComponentPlan[],
  env: Environment,
  paths: StatePaths,
  progress: Progress,
  { detached }: { detached: boolean },
): Promise<void> {
  rmSync(paths.stack, { force: true });
  mkdirSync(paths.logs, { recursive: true });
  const since = logEnds(paths.logs);
  const supervisor = await spawnDetached({
    command: [
      process.execPath,
      join(import.meta.dir, "supervisor.ts"),
      paths.dir,
      String(detached ? 0 : process.pid),
      components.some(({ tls }) => tls !== undefined) ? "tls" : "plain",
    ],
    env,
    cwd: PROJECT_ROOT,
    logPath: join(paths.logs, "supervisor.log"),
  });
  await Promise.all(
    components.map((component) =>
      progress.step(component.name, async () => {
        await waitUntilHealthy(component, supervisor, paths, since);
        return { detail: `port ${component.ports.map(({ number }) => number).join(", ")}` };
      }),
    ),
  );
}

async function waitUntilHealthy(
  { name, healthUrl, tls }: ComponentPlan,
  supervisor: ProcessIdentity,
  paths: StatePaths,
  since: LogEnds,
): Promise<void> {
  const failure = (who: string, reason: string) => startFailure(who, reason, paths, since);
  const deadline = Date.now() + READY_LIMIT_MS;
  while (Date.now() < deadline) {
    if (await isHealthy(healthUrl, tls)) return;
    if (!isRunning(supervisor)) throw failure("supervisor", "it ended");
    const restarts = readStack(paths)?.components.find((one) => one.name === name)?.restarts ?? 0;
    if (restarts >= RESTARTS_MAX) throw failure(name, `it ended ${restarts} times`);
    await Bun.sleep(HEALTH_PAUSE_MS);
  }
  throw failure(name, `not ready within ${READY_LIMIT_MS / 1000} s`);
}

async function isHealthy(url: string, tls: CallerTls): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(HEALTH_LIMIT_MS);
    const reply = await fetch(url, { ...callHere(tls), signal });
    await reply.body?.cancel();
    return reply.ok;
  } catch {
    return false;
  }
}

function startFailure(
  name: string,
  reason: string,
  paths: StatePaths,
  since: LogEnds,
): CommandFailure {
  const log = join(paths.logs, `${name}.log`);
  return new CommandFailure(
    `the ${name} did not start: ${reason}: ${lastTellingLine(log, since)} — mend it (log: ` +
      `${shortPath(log)}), then run ./tollgate up again`,
  );
}

/** Ends the supervisor with its components, and components that a killed supervisor left behind. */
export async function stopComponents(paths: StatePaths): Promise<void> {
  const stack = readStack(paths);
  if (stack === undefined) return;
  await stopProcess(stack.supervisor, { graceMs: SUPERVISOR_GRACE_MS });
  // It may have noted more since; and one that was killed cannot have stopped them.
  const left = [...stack.components, ...(readStack(paths)?.components ?? [])];
  await Promise.all(
    left.map(async ({ identity }) => {
      if (identity !== undefined) await stopProcess(identity, { graceMs: LEFTOVER_GRACE_MS });
    }),
  );
  rmSync(paths.stack, { force: true });
}
