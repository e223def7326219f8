import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import { describeArchives } from "../../local/cluster/images/archives.ts";
import { createKubectl } from "../../local/cluster/kubectl.ts";
import { groupFolder, parseHierarchies } from "../../local/cluster/node/control-groups.ts";
import { whyNoCluster } from "../../local/cluster/node/programs-needed.ts";
import type { RunningCluster } from "../../local/cluster/node/start-nodes.ts";
import { WITH_PARENT } from "../../local/processes/processes.ts";
import { until } from "../support/until.ts";

const END_LIMIT_MS = 30_000;
const PAUSE = (await describeArchives(process.env)).pause.path;

function canStart(): boolean {
  const why =
    whyNoCluster(process.env) ?? (existsSync(PAUSE) ? undefined : "the image pause is not made");
  if (why !== undefined) console.warn(`SKIPPED, no cluster was started: ${why}`);
  return why === undefined;
}

/** A pod of the pause image on one node. */
const podOn = (node: string): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: node },
  spec: {
    nodeName: node,
    automountServiceAccountToken: false,
    containers: [
      {
        name: "pause",
        image: "registry.k8s.io/pause:3.10",
        // More than this machine has: it must not be cut to run here.
        resources: { requests: { cpu: "8" } },
      },
    ],
  },
});

test.skipIf(!canStart()).each(["SIGINT", "SIGKILL"] as const)(
  "two nodes run pods that reach each other, and nothing is left of them after %s",
  async (signal) => {
    const links = linksHere();
    const alone = Bun.spawn(
      [...WITH_PARENT, process.execPath, join(import.meta.dir, "nodes-alone.ts"), PAUSE],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );
    try {
      const lines = createInterface({ input: Readable.fromWeb(alone.stdout) });
      const first = await lines[Symbol.asyncIterator]().next();
      const cluster = JSON.parse(String(first.value)) as RunningCluster;
      const kubectl = createKubectl(cluster);
      const items = cluster.nodes.map(podOn);
      const pods = cluster.nodes.map((node) => `pod/${node}`);

      await kubectl(["create", "-f", "-"], {
        input: JSON.stringify({ apiVersion: "v1", kind: "List", items }),
      });
      await kubectl(["wait", "--for=condition=Ready", "--timeout=50s", ...pods]);
      const address = "jsonpath={.items[*].status.podIP}";
      const addresses = (await kubectl(["get", "pods", "-o", address])).split(" ");
      const reached = addresses.map((one) => canReach(cluster, one));

      expect(reached).toEqual([true, true]);
      expect(leftOf(cluster.folder)).not.toEqual([]);
      alone.kill(signal);
      await alone.exited;
      await until(() => leftOf(cluster.folder).length === 0, END_LIMIT_MS);
      expect(linksHere()).toEqual(links);
    } finally {
      alone.kill("SIGKILL");
    }
  },
);

/** Nothing listens there: whoever is reached says so at once. */
function canReach({ enter }: RunningCluster, address: string): boolean {
  const call = ["timeout", "5", "bash", "-c", `: </dev/tcp/${address}/80`];
  return Bun.spawnSync([...enter, ...call])
    .stderr.toString()
    .includes("Connection refused");
}

const linksHere = (): string[] => readdirSync("/sys/class/net").sort();

/** What there is of a cluster: its folder, control groups, processes and mounts. */
function leftOf(folder: string): string[] {
  const name = basename(folder);
  // Below our own, as those of the process that started it.
  const hierarchies = parseHierarchies(readFileSync("/proc/self/cgroup", "utf8"));
  const groups = hierarchies.map((hierarchy) => groupFolder(hierarchy, name)).filter(existsSync);
  const processes = readdirSync("/proc").filter((pid) => commandOf(pid).includes(folder));
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return [
    ...(existsSync(folder) ? [folder] : []),
    ...groups,
    ...processes,
    ...mounts.filter((line) => line.includes(folder)),
  ];
}

function commandOf(pid: string): string {
  if (!/^\d+$/.test(pid)) return "";
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // It has ended since.
    return "";
  }
}
