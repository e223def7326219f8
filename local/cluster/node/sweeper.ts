import { join } from "node:path";

const SCRIPT = join(import.meta.dir, "sweep.sh");

/** Removes what a cluster leaves, also when this process is killed. */
export interface Sweeper {
  /** @throws when something could not be ended or removed */
  sweep: () => Promise<void>;
}

/** From now on all that runs in the groups ends with this process; groups and folder are removed then. */
export function startSweeper(folder: string, groups: readonly string[]): Sweeper {
  // A session of its own: no Ctrl-C of our terminal reaches it.
  const run = Bun.spawn(["setsid", "bash", SCRIPT, folder, ...groups], {
    cwd: "/",
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  return {
    sweep: async () => {
      await run.stdin.end();
      if ((await run.exited) !== 0) throw new Error(`not all could be removed: ${folder}`);
    },
  };
}
