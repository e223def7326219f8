import { runCommand } from "../run-command.ts";

const IMPORT_LIMIT_MS = 10 * 60_000;

interface Options {
  env: Record<string, string | undefined>;
  signal?: AbortSignal;
}

/** Asks one containerd. Images and containers of Kubernetes are in a namespace of their own there. */
export interface ContainerdClient {
  /** Throws while it does not serve. */
  ask: () => Promise<void>;
  /** Adds the images of archives as `docker save` makes them. */
  importImages: (archives: readonly string[]) => Promise<void>;
}

/** `enter` is put before the command. */
export function createContainerdClient(
  enter: readonly string[],
  socket: string,
  options: Options,
): ContainerdClient {
  const ctr = async (args: readonly string[], limitMs?: number): Promise<void> => {
    const command = [...enter, "ctr", `--address=${socket}`, "--namespace=k8s.io", ...args];
    await runCommand(command, { ...options, limitMs });
  };
  return {
    ask: () => ctr(["version"]),
    importImages: async (archives) => {
      for (const archive of archives) await ctr(["images", "import", archive], IMPORT_LIMIT_MS);
    },
  };
}
