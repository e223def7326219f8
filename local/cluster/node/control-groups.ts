import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { CommandFailure } from "../../../adapters/terminal/failure.ts";

const MOUNTS = "/sys/fs/cgroup";
/** What the kubelet and runc do not do without. */
const NEEDED = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "pids"];

/** A hierarchy of control groups, and where in it a process is. */
interface Hierarchy {
  controllers: readonly string[];
  path: string;
}

/**
 * The hierarchies of version 1 in a `/proc/PID/cgroup`, whose lines are `ID:CONTROLLERS:PATH`; version 2 has
 * no controllers there. cgroups(7).
 */
export function parseHierarchies(text: string): Hierarchy[] {
  return text.split("\n").flatMap((line) => {
    const [, controllers = "", ...path] = line.split(":");
    if (controllers === "") return [];
    return { controllers: controllers.split(","), path: path.join(":") };
  });
}

/** The folder of the group `name` below the one that a process is in. */
export const groupFolder = ({ controllers, path }: Hierarchy, name: string): string =>
  join(MOUNTS, controllers.join(",").replace(/^name=/, ""), path, name);

/**
 * Makes a group below our own in every hierarchy, so that limits of ours hold for it too.
 *
 * @returns their folders
 * @throws {CommandFailure} where the kernel has not what Kubernetes needs
 */
export function makeGroups(name: string): string[] {
  const hierarchies = parseHierarchies(readFileSync("/proc/self/cgroup", "utf8"));
  const there = new Set(hierarchies.flatMap(({ controllers }) => controllers));
  const missing = NEEDED.filter((controller) => !there.has(controller));
  if (missing.length > 0)
    throw new CommandFailure(
      `control groups of version 1 are missing here (${missing.join(", ")}), and a cluster of this ` +
        "command needs them: use another cluster by KUBECONFIG, such as one of kind",
    );
  const folders = hierarchies.map((hierarchy) => groupFolder(hierarchy, name));
  const made: string[] = [];
  try {
    for (const folder of folders) {
      makeGroup(folder);
      made.push(folder);
    }
  } catch (error) {
    for (const folder of made) rmdirSync(folder);
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`no control group can be made here: ${why}`, { cause: error });
  }
  return folders;
}

/** Makes a group of the same name below each of the groups. */
export function makeSubgroups(groups: readonly string[], name: string): string[] {
  const folders = groups.map((group) => join(group, name));
  for (const folder of folders) makeGroup(folder);
  return folders;
}

function makeGroup(folder: string): void {
  mkdirSync(folder);
  if (!folder.startsWith(join(MOUNTS, "cpuset"))) return;
  // No process may enter a new group before it has CPUs and memory.
  for (const file of ["cpuset.cpus", "cpuset.mems"])
    writeFileSync(join(folder, file), readFileSync(join(dirname(folder), file)));
}
