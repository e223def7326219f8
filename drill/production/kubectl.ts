import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { clientOf, type Ran } from "../../local/cluster/client.ts";

interface RunOptions {
  /** What it reads from a file called `-`. */
  input?: string;
  limitMs?: number;
}

/** kubectl on one cluster. */
export interface Kubectl {
  program: string;
  kubeconfig: string;
  /** Whatever comes of it. */
  attempt: (args: readonly string[], options?: RunOptions) => Promise<Ran>;
  /** What it prints. @throws {CommandFailure} with what it says when it fails */
  run: (args: readonly string[], options?: RunOptions) => Promise<string>;
  /** The same, of something that exists. */
  get: <Resource>(args: readonly string[]) => Promise<Resource>;
  apply: (resources: readonly unknown[]) => Promise<void>;
}

export function createKubectl(program: string, kubeconfig: string): Kubectl {
  const client = clientOf(kubeconfig, program);
  const attempt: Kubectl["attempt"] = async (args, { input, limitMs } = {}) => {
    const { exitCode, out, err } = await client(
      args,
      input,
      limitMs === undefined ? {} : { limitMs },
    );
    return { exitCode, out: out.trim(), err: err.trim() };
  };
  const run: Kubectl["run"] = async (args, options) => {
    const { exitCode, out, err } = await attempt(args, options);
    if (exitCode !== 0) throw new CommandFailure(`kubectl ${args.slice(0, 6).join(" ")}: ${err}`);
    return out;
  };
  return {
    program,
    kubeconfig,
    attempt,
    run,
    get: async (args) => JSON.parse(await run(["get", ...args, "-o", "json"])) as never,
    apply: async (resources) => {
      const input = resources.map((one) => JSON.stringify(one)).join("\n---\n");
      await run(["apply", "--server-side", "--force-conflicts", "-f", "-"], { input });
    },
  };
}

/** The names of the pods that a selector finds, by name. */
export async function podsOf(
  kubectl: Kubectl,
  namespace: string,
  selector: string,
): Promise<string[]> {
  const names = "jsonpath={.items[*].metadata.name}";
  const found = await kubectl.run(
    ["-n", namespace, "get", "pods", "-l", selector].concat(
      "--sort-by=.metadata.name",
      "-o",
      names,
    ),
  );
  return found.split(" ").filter((name) => name !== "");
}
