import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import type { Progress } from "../../../adapters/terminal/progress.ts";
import { createKubectl, type Kubectl } from "../kubectl.ts";
import { makeGroups, makeSubgroups } from "./control-groups.ts";
import { apiCommands, controllerCommands } from "./control-plane.ts";
import { makeCredentials } from "./credentials.ts";
import { type Machine, startMachine } from "./machine.ts";
import { enterNetwork, plugTogether, routePods } from "./network.ts";
import { policyCommand } from "./node-commands.ts";
import { writePodNetwork } from "./node-files.ts";
import { requirePrograms, systemPath } from "./programs-needed.ts";
import { containerdOf, runNode } from "./run-node.ts";
import { prepareStore } from "./image-store.ts";
import { startSweeper } from "./sweeper.ts";
import { waitFor } from "./wait-for.ts";

/**
 * More than there are: requests of pods only share out the CPUs that there are, and need not be cut. All of
 * `overlays/dev` at its largest asks for about 20.
 */
const CPUS_CLAIMED = 32;
const API_LIMIT_MS = 90_000;
const NODES_LIMIT_MS = 120_000;

/** A Kubernetes on this machine. It ends with this process, whatever ends that. */
export interface RunningCluster {
  /** The administrator's; it names an address that only `enter` reaches. */
  kubeconfig: string;
  /** The program. */
  kubectl: string;
  /** What to put before a command, so that it runs in the network of the cluster. */
  enter: readonly string[];
  nodes: readonly string[];
  /** Removed with the cluster. */
  folder: string;
  /** Puts images into all nodes, from archives as `docker save` makes them. */
  loadImages: (archives: readonly string[]) => Promise<void>;
  /** Ends all of it, and removes what it wrote. */
  stop: () => Promise<void>;
}

export interface ClusterPlan {
  env: Record<string, string | undefined>;
  progress: Progress;
  signal: AbortSignal;
  /** How many; default 1. */
  nodes?: number;
  /** Archives of images that nodes begin with. They are unpacked once, and kept so in the cache. */
  images?: readonly string[];
  /** Is made, and removed at the end; default: one in the folder for temporary files. */
  folder?: string;
}

/**
 * Starts a control plane, and nodes that are ready and enforce network policies. There is nothing in the
 * cluster yet, not even names of services.
 *
 * @throws {CommandFailure} when something is missing here, or a program of the cluster ends
 */
export async function startNodes(plan: ClusterPlan): Promise<RunningCluster> {
  const { progress, signal, nodes: count = 1 } = plan;
  const { programs, cniPlugins } = requirePrograms(plan.env);
  const env = { ...plan.env, PATH: systemPath(plan.env) };
  const images = plan.images ?? [];
  const store = await progress.step("images", () =>
    prepareStore({ env, archives: images, signal }),
  );
  const nodes = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
  const folder = makeFolder(plan.folder);
  const groups = makeGroupsFor(folder);
  const sweeper = startSweeper(folder, groups);

  try {
    const machines = await progress.step("machines and their network", () =>
      startMachines(nodes, folder, groups),
    );
    const [first] = machines.all as [Machine, ...Machine[]];
    const credentials = await makeCredentials(join(folder, "credentials"), nodes);
    const enter = enterNetwork(first.pid);
    const kubeconfig = credentials.kubeconfigOf("admin");
    const place = { kubectl: programs.kubectl, kubeconfig, enter };
    const kubectl = createKubectl(place, signal);
    const check = (): void => {
      for (const machine of machines.all) machine.mustRun();
    };
    const watch = { signal, check };

    await progress.step("control plane", async () => {
      for (const { name, command } of apiCommands(programs, first.folder, credentials))
        first.start(name, command);
      await waitFor("the API server is ready", API_LIMIT_MS, watch, async () => {
        await kubectl(["get", "--raw", "/readyz"]);
        return true;
      });
      for (const { name, command } of controllerCommands(programs, credentials))
        first.start(name, command);
      await kubectl(["create", "-f", "-"], { input: JSON.stringify(KUBELET_ACCESS) });
      return {};
    });
    await progress.step("nodes", async () => {
      const parts = { programs, cniPlugins, credentials, imageStore: store.folder, env, watch };
      await Promise.all(machines.all.map((machine, index) => runNode(machine, index, parts)));
      const ranges = await waitFor("each node has addresses for pods", NODES_LIMIT_MS, watch, () =>
        readPodRanges(kubectl, nodes),
      );
      for (const [index, machine] of machines.all.entries())
        writePodNetwork(machine.folder, ranges[index] ?? "");
      await routePods(machines.pids, ranges);
      await waitFor("the nodes are ready", NODES_LIMIT_MS, watch, async () => {
        const names = nodes.map((name) => `node/${name}`);
        await kubectl(["wait", ...names, "--for=condition=Ready", "--timeout=5s"]);
        return true;
      });
      for (const machine of machines.all) {
        const { name, command } = policyCommand(programs["kube-router"], machine.name, kubeconfig);
        machine.start(name, command);
      }
      return {};
    });

    return {
      ...place,
      nodes,
      folder,
      loadImages: async (archives) => {
        await Promise.all(
          machines.all.map((machine) =>
            containerdOf(machine, { env, signal }).importImages(archives),
          ),
        );
      },
      stop: sweeper.sweep,
    };
  } catch (error) {
    await sweeper.sweep();
    throw error;
  }
}

function makeFolder(wanted: string | undefined): string {
  if (wanted === undefined) return mkdtempSync(join(tmpdir(), "tollgate-cluster-"));
  // One that is there is somebody's: it would be removed at the end.
  mkdirSync(wanted, { mode: 0o700 });
  return wanted;
}

function makeGroupsFor(folder: string): string[] {
  try {
    return makeGroups(basename(folder));
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
}

async function startMachines(
  nodes: readonly string[],
  folder: string,
  groups: readonly string[],
): Promise<{ all: readonly Machine[]; pids: readonly number[]; detail: string }> {
  const all: Machine[] = [];
  for (const name of nodes) {
    const own = makeSubgroups(groups, name);
    const plan = { name, folder: join(folder, name), groups: own, cpus: CPUS_CLAIMED };
    all.push(await startMachine(plan));
  }
  const pids = all.map(({ pid }) => pid);
  await plugTogether(pids);
  return { all, pids, detail: nodes.join(", ") };
}

/** Which addresses the pods of each node get; undefined while a node has none. */
async function readPodRanges(
  kubectl: Kubectl,
  nodes: readonly string[],
): Promise<string[] | undefined> {
  const { items } = JSON.parse(await kubectl(["get", "nodes", "-o", "json"])) as {
    items: { metadata: { name: string }; spec: { podCIDR?: string } }[];
  };
  const ranges = nodes.flatMap(
    (name) => items.find(({ metadata }) => metadata.name === name)?.spec.podCIDR ?? [],
  );
  return ranges.length === nodes.length ? ranges : undefined;
}

/** The API server asks kubelets for logs, and to run commands in pods. */
const KUBELET_ACCESS = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: "kube-apiserver" },
  roleRef: {
    apiGroup: "rbac.authorization.k8s.io",
    kind: "ClusterRole",
    name: "system:kubelet-api-admin",
  },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "kube-apiserver" }],
};
