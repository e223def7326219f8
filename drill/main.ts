import { InvalidArgumentError } from "commander";

import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { createProgram, runProgram } from "../adapters/terminal/program.ts";
import { createProgress } from "../adapters/terminal/progress.ts";
import { buildCluster } from "../local/cluster/build.ts";
import { cacheFolder } from "../local/cluster/cache.ts";
import { GROUPS } from "../local/cluster/sources.ts";
import { keepUp } from "./up.ts";

const NODES_MAX = 9;

const program = createProgram("tollgate drill").description(
  "rehearse on a real Kubernetes what the tests cannot show",
);

program
  .command("cluster")
  .description("a cluster on this machine")
  .option("--build", "build its programs and images, and fetch what operators bring", false)
  .option("--production", "with --build: what k8s/overlays/production needs too", false)
  .option("--up", "bring it up, and keep it until Ctrl-C", false)
  .option("--nodes <n>", "with --up: how many nodes it has", toNodes, 1)
  .addHelpText(
    "after",
    `
--build needs Go 1.24 or newer (which fetches the newer Go that KEDA asks for), root, and of Debian's packages
buildah and debootstrap. It is needed once and takes most of an hour on two cores; after a quarter of one
./tollgate test can run the stage api. etcd, Helm, Kubernetes, KEDA and the other parts come from their Go
modules, at versions and sums that this checkout names; images of the servers are made of Debian 13. It may be
interrupted, and goes on where it was. All is kept in TOLLGATE_CACHE, else $XDG_CACHE_HOME/tollgate, else
~/.cache/tollgate; Go's own caches take some GB more.

--up starts them in namespaces of their own, which takes Linux, root, and of Debian's packages containerd,
runc, iptables, ipset and conntrack. All of it is gone when the command ends, however it ends.

Examples:
  ./tollgate drill cluster --build
  ./tollgate drill cluster --build --production
  ./tollgate drill cluster --up --nodes 3`,
  )
  .action(cluster);

interface Options {
  build: boolean;
  production: boolean;
  up: boolean;
  nodes: number;
}

async function cluster({ build, production, up, nodes }: Options): Promise<void> {
  if (!build && !up) {
    throw new CommandFailure(
      "the drill itself is not there yet: only ./tollgate drill cluster --build and --up are",
      { exitCode: EXIT.usage },
    );
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupt.abort());
  const progress = createProgress(process.stdout);
  if (up) return keepUp(process.env, progress, { nodes, signal: interrupt.signal });
  const groups = production ? GROUPS : GROUPS.filter((group) => group !== "production");
  await buildCluster(process.env, progress, interrupt.signal, groups);
  progress.say(`All is in ${cacheFolder(process.env)}. Try: ./tollgate test api`);
}

function toNodes(text: string): number {
  const nodes = Number(text);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > NODES_MAX)
    throw new InvalidArgumentError(`must be a whole number from 1 to ${NODES_MAX}`);
  return nodes;
}

await runProgram(program, process.env);
