import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import { CommandFailure } from "../../../adapters/terminal/failure.ts";
import { lastTellingLine } from "../../processes/log-tail.ts";
import { openLog } from "../../processes/processes.ts";

/** Namespaces that are to each other as machines are. They end with this process. */
export interface Machine {
  name: string;
  /** What it writes, its logs among it. */
  folder: string;
  /** Its process 1, as it is called outside. */
  pid: number;
  /** Starts a program whose output goes to the log of that name. */
  start: (program: string, command: readonly string[]) => void;
  /** @throws {CommandFailure} when a program has ended, with what its log says */
  mustRun: () => void;
}

interface MachinePlan {
  name: string;
  folder: string;
  /** Control groups that it gets for itself. */
  groups: readonly string[];
  /** How many CPUs its kubelet believes in. */
  cpus: number;
}

/** @throws {CommandFailure} when the kernel does not let us make one */
export async function startMachine({ name, folder, groups, cpus }: MachinePlan): Promise<Machine> {
  const logs = join(folder, "logs");
  mkdirSync(logs, { recursive: true });
  const scripts = ["enter.sh", "init.sh"].map((file) => join(import.meta.dir, file));
  const [enter = "", init = ""] = scripts;
  const run = Bun.spawn(
    // A session of its own: no Ctrl-C of our terminal reaches it.
    ["setsid", "bash", enter, ...groups, "--", "bash", init, name, folder, String(cpus)],
    { cwd: "/", stdin: "pipe", stdout: "pipe", stderr: openLog(join(logs, "machine.log")) },
  );
  const lines = createInterface({ input: Readable.fromWeb(run.stdout) })[Symbol.asyncIterator]();
  const first = await lines.next();
  const pid = first.done === true ? undefined : /^up (\d+)$/.exec(first.value)?.[1];
  if (pid === undefined) {
    const why = lastTellingLine(join(logs, "machine.log"));
    throw new CommandFailure(`no machine of its own for the cluster: ${why}`);
  }

  const ended: string[] = [];
  void (async () => {
    for (;;) {
      const line = await lines.next();
      if (line.done === true) return;
      ended.push(line.value.split(" ")[1] ?? "");
    }
  })();

  return {
    name,
    folder,
    pid: Number(pid),
    start: (program, command) => {
      void run.stdin.write(`${[program, ...command].join("\0")}\0\0`);
      void run.stdin.flush();
    },
    mustRun: () => {
      const [program] = ended;
      if (program === undefined) return;
      const why = lastTellingLine(join(logs, `${program}.log`));
      throw new CommandFailure(`${program} of ${name} has ended: ${why}`);
    },
  };
}
