import { runCommand } from "../run-command.ts";
import type { Credentials } from "./credentials.ts";
import type { Machine } from "./machine.ts";
import { addressOf } from "./network.ts";
import { nodeCommands } from "./node-commands.ts";
import { CONTAINERD_SOCKET, writeNodeFiles } from "./node-files.ts";
import type { Programs } from "./programs-needed.ts";
import { waitFor, type Watch } from "./wait-for.ts";

type Environment = Record<string, string | undefined>;

interface NodeParts {
  programs: Programs;
  cniPlugins: string;
  credentials: Credentials;
  env: Environment;
  watch: Watch;
}

const CONTAINERD_LIMIT_MS = 30_000;
const IMPORT_LIMIT_MS = 10 * 60_000;

/** Starts what makes a machine a node. It registers by itself, and is ready once its pods have a network. */
export async function runNode(
  machine: Machine,
  index: number,
  { programs, cniPlugins, credentials, env, watch }: NodeParts,
): Promise<void> {
  const { name, folder } = machine;
  const address = addressOf(index);
  const files = writeNodeFiles(folder, { address, ca: credentials.ca, cniPlugins });
  const { containerd, others } = nodeCommands(programs, {
    name,
    address,
    folder,
    files,
    kubeconfigs: {
      kubelet: credentials.kubeconfigOf(`system:node:${name}`),
      proxy: credentials.kubeconfigOf("system:kube-proxy"),
    },
  });
  machine.start(containerd.name, containerd.command);
  await waitFor("containerd serves", CONTAINERD_LIMIT_MS, watch, async () => {
    await ctr(machine, ["version"], { env });
    return true;
  });
  for (const { name: program, command } of others) machine.start(program, command);
}

/** Puts the images of the archives into a node. */
export async function importImages(
  machine: Machine,
  archives: readonly string[],
  options: { env: Environment; signal: AbortSignal },
): Promise<void> {
  for (const archive of archives)
    await ctr(machine, ["images", "import", archive], { ...options, limitMs: IMPORT_LIMIT_MS });
}

/** containerd's own client; the kubelet's images and containers are in a namespace of their own there. */
async function ctr(
  { pid }: Machine,
  args: readonly string[],
  options: { env: Environment; signal?: AbortSignal; limitMs?: number },
): Promise<void> {
  const inMachine = ["nsenter", "--target", String(pid), "--mount", "--"];
  const client = ["ctr", `--address=${CONTAINERD_SOCKET}`, "--namespace=k8s.io"];
  await runCommand([...inMachine, ...client, ...args], options);
}
