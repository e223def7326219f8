import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { identifyProcess, isRunning, type ProcessIdentity } from "./process-identity.ts";

/** A log that is longer when it is opened is put aside as `.1`, replacing the one before. */
const LOG_BYTES_MAX = 10 * 1024 * 1024;
const POLL_MS = 25;

/**
 * Linux: a process that outlives the killed program that started it would be left for ever. setpriv(1) has it
 * killed with its parent.
 */
export const WITH_PARENT = Bun.which("setpriv") === null ? [] : ["setpriv", "--pdeathsig", "KILL"];

/** Opens a log for appending; what was written before stays readable. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  return openSync(path, "a", 0o600);
}

export interface DetachedCommand {
  command: readonly string[];
  env: Record<string, string | undefined>;
  cwd: string;
  logPath: string;
}

/**
 * Starts a process that outlives this one: a session of its own (no Ctrl-C of our terminal reaches it),
 * output straight into a file (no pipe that breaks when we die).
 *
 * @throws {CommandFailure} when it cannot be started
 */
export async function spawnDetached(spec: DetachedCommand): Promise<ProcessIdentity> {
  const [file = "", ...args] = spec.command;
  const log = openLog(spec.logPath);
  try {
    const child = spawn(file, args, {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: spec.cwd,
      env: spec.env,
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    child.unref();
    const identity = identifyProcess(child.pid ?? 0);
    if (identity === undefined)
      throw new CommandFailure(`${file} ended at once; see ${spec.logPath}`);
    return identity;
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`cannot start ${file}: ${String(error)}`, { cause: error });
  } finally {
    closeSync(log);
  }
}

/** Sends a signal to exactly this process, never to one that got its pid later. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    // It may end between the look and the signal.
    if (isRunning(identity)) throw error;
  }
}

/**
 * True once the process has ended; false when it still runs after the limit. Not our child, so there is
 * nothing to await.
 */
export async function waitForEnd(identity: ProcessIdentity, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (isRunning(identity)) {
    if (Date.now() > deadline) return false;
    await Bun.sleep(POLL_MS);
  }
  return true;
}

const KILL_LIMIT_MS = 2_000;

/** Ends a process: first politely, after the grace by force. True when it went by itself. */
export async function stopProcess(
  identity: ProcessIdentity,
  { signal = "SIGTERM", graceMs }: { signal?: NodeJS.Signals; graceMs: number },
): Promise<boolean> {
  signalProcess(identity, signal);
  if (await waitForEnd(identity, graceMs)) return true;
  signalProcess(identity, "SIGKILL");
  await waitForEnd(identity, KILL_LIMIT_MS);
  return false;
}
