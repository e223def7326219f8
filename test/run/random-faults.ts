import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { SERVER_VARIABLES } from "../../adapters/state/server-urls.ts";

export interface RandomFaultsWish {
  minutes: string;
  /** Which faults are drawn; undefined: by the clock. */
  seed?: string | undefined;
}

/**
 * Runs random faults in a process of their own, on servers of their own; its output is ours. Returns whether
 * all guarantees were kept.
 */
export async function runRandomFaults(
  { minutes, seed }: RandomFaultsWish,
  signal: AbortSignal,
): Promise<boolean> {
  const hidden = Object.fromEntries(
    Object.values(SERVER_VARIABLES).map((name) => [name, undefined]),
  );
  const run = Bun.spawn(
    [
      process.execPath,
      "test/faults/main.ts",
      `--minutes=${minutes}`,
      ...(seed === undefined ? [] : [`--seed=${seed}`]),
    ],
    {
      cwd: PROJECT_ROOT,
      env: { ...process.env, ...hidden },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      signal,
    },
  );
  return (await run.exited) === 0;
}
