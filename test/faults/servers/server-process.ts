import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { Launch } from "../../../local/servers/local-server.ts";
import { eventually } from "../../../local/stack/eventually.ts";
import { WITH_PARENT } from "../../../local/processes/processes.ts";
import { descendantsOf } from "../../support/private-servers.ts";

const GONE_LIMIT_MS = 10_000;

/** A server's process that a test kills and starts again. It ends with the test, however that ends. */
export interface ServerProcess {
  start: () => void;
  isRunning: () => boolean;
  pid: () => number | undefined;
  /** Such as SIGSTOP, which freezes it. */
  signal: (name: NodeJS.Signals) => void;
  /** SIGKILL to it and all its children at once, as when their machine loses power; waits for its end. */
  kill: () => Promise<void>;
  log: () => string;
}

/** `prefix`: commands that run the server's own as somebody else or elsewhere; they must become it. */
export function createServerProcess(
  { name, command, env }: Launch,
  { folder, prefix = [] }: { folder: string; prefix?: readonly string[] },
): ServerProcess {
  const logPath = join(folder, `${name}.log`);
  let child: Bun.Subprocess | undefined;

  const isRunning = (): boolean =>
    child !== undefined && child.exitCode === null && child.signalCode === null;

  return {
    start: () => {
      if (isRunning()) throw new Error(`${name} runs already`);
      const out = openSync(logPath, "a", 0o600);
      try {
        // After the prefix: a process that becomes somebody else no longer dies with its parent.
        child = Bun.spawn([...prefix, ...WITH_PARENT, ...command], {
          cwd: folder,
          env,
          stdin: "ignore",
          stdout: out,
          stderr: out,
        });
      } finally {
        closeSync(out);
      }
    },
    isRunning,
    pid: () => child?.pid,
    signal: (signal) => child?.kill(signal),
    kill: async () => {
      if (child === undefined || !isRunning()) return;
      const children = descendantsOf(child.pid);
      for (const pid of [child.pid, ...children]) killQuietly(pid);
      await child.exited;
      // A child of PostgreSQL that is still ending keeps its memory from the next one.
      await eventually(`the processes of ${name} are gone`, GONE_LIMIT_MS, async () =>
        children.every(isGone) ? true : undefined,
      );
    },
    log: () => (existsSync(logPath) ? readFileSync(logPath, "utf8") : ""),
  };
}

/** Whether a process has ended, reaped or not. */
function isGone(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}

/** A child may have ended between the look and the signal. */
function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
