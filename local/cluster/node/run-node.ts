import { type ContainerdClient, createContainerdClient } from "./containerd-client.ts";
import type { Credentials } from "./credentials.ts";
import { copyStore } from "./image-store.ts";
import type { Machine } from "./machine.ts";
import { addressOf } from "./network.ts";
import { nodeCommands } from "./node-commands.ts";
import { CONTAINERD_SOCKET, containerdRoot, writeNodeFiles } from "./node-files.ts";
import type { Programs } from "./programs-needed.ts";
import { waitFor, type Watch } from "./wait-for.ts";

type Environment = Record<string, string | undefined>;

interface NodeParts {
  programs: Programs;
  cniPlugins: string;
  credentials: Credentials;
  imageStore: string;
  env: Environment;
  watch: Watch;
}

const CONTAINERD_LIMIT_MS = 30_000;

/** Starts what makes a machine a node. It registers by itself, and is ready once its pods have a network. */
export async function runNode(
  machine: Machine,
  index: number,
  { programs, cniPlugins, credentials, imageStore, env, watch }: NodeParts,
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
  await copyStore(imageStore, containerdRoot(folder));
  machine.start(containerd.name, containerd.command);
  const client = containerdOf(machine, { env, signal: watch.signal });
  await waitFor("containerd serves", CONTAINERD_LIMIT_MS, watch, async () => {
    await client.ask();
    return true;
  });
  for (const { name: program, command } of others) machine.start(program, command);
}

/** Asks the containerd of a machine. */
export const containerdOf = (
  { pid }: Machine,
  options: { env: Environment; signal: AbortSignal },
): ContainerdClient => {
  const inMachine = ["nsenter", "--target", String(pid), "--mount", "--"];
  return createContainerdClient(inMachine, CONTAINERD_SOCKET, options);
};
