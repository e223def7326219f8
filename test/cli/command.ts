import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import type { TestStack } from "../support/stack/stack.ts";

export interface Ran {
  exitCode: number;
  out: string;
  err: string;
}

/** `./tollgate ARGUMENTS` as a process of its own, off a terminal. */
export type Tollgate = (...args: string[]) => Promise<Ran>;

const LIMIT_MS = 25_000;

/**
 * Commands with exactly these variables and what a process needs to run, of this checkout or a copy of it.
 */
export function commandsWith(
  env: Readonly<Record<string, string>>,
  root: string = PROJECT_ROOT,
  limitMs: number = LIMIT_MS,
): Tollgate {
  return async (...args) => {
    const spawned = Bun.spawn([process.execPath, join(root, "cli/main.ts"), ...args], {
      cwd: root,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: limitMs,
      killSignal: "SIGKILL",
    });
    const [out, err, exitCode] = await Promise.all([
      new Response(spawned.stdout).text(),
      new Response(spawned.stderr).text(),
      spawned.exited,
    ]);
    return { exitCode, out, err };
  };
}

/** Commands on the servers of a stack, calling its gateway. */
export const commandsOn = (
  { env, gateways }: TestStack,
  more: Record<string, string> = {},
): Tollgate => commandsWith({ ...env, TOLLGATE_URL: gateways[0]?.url ?? "", ...more });

/** Standard output as JSON, of a command that must have succeeded. */
export function jsonOf({ exitCode, out, err }: Ran): unknown {
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${err}`);
  return JSON.parse(out);
}
