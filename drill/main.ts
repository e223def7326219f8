import { InvalidArgumentError } from "commander";

import { EXIT } from "../adapters/terminal/failure.ts";
import { createProgram, runProgram } from "../adapters/terminal/program.ts";
import { createProgress } from "../adapters/terminal/progress.ts";
import { buildCluster } from "../local/cluster/build.ts";
import { cacheFolder } from "../local/cluster/cache.ts";
import { GROUPS } from "../local/cluster/sources.ts";
import { type DrillFlags, drillOnCluster, phaseNames } from "./cluster-command.ts";
import { drillOnOwnCluster } from "./own-cluster.ts";
import { drillProduction } from "./production/production.ts";
import { keepUp } from "./up.ts";

const NODES_MAX = 9;

const program = createProgram("tollgate drill").description(
  "rehearse on a real Kubernetes what the tests cannot show",
);

program
  .command("cluster")
  .description(
    "run Tollgate on a cluster and judge what it does; by default on one of this machine",
  )
  .option("--kubeconfig <file>", "on the cluster of this file (default: KUBECONFIG)")
  .option("--only <phases>", `some of ${phaseNames.join(", ")}`)
  .option("--minutes <n>", "how long pods are killed", "10")
  .option("--seed <n>", "which pods are killed", String(Date.now() % 1_000_000))
  .option("--next-image <image>", "what is rolled out", "tollgate:next")
  .option("--out <folder>", "where the timeline, its picture and histories go")
  .option("--keep", "leave Tollgate in that cluster afterwards", false)
  .option("--json", "print the findings as JSON", false)
  .option("--own", "with --kubeconfig: its Prometheus may be stopped for a while", false)
  .option("--build", "build its programs and images, and fetch what operators bring", false)
  .option("--production", "with --build: what k8s/overlays/production needs too", false)
  .option("--up", "bring it up, and keep it until Ctrl-C", false)
  .option("--nodes <n>", "with --up: how many nodes it has", toNodes, 1)
  .addHelpText(
    "after",
    `
The drill applies k8s/overlays/dev in the namespace tollgate, which must not be there, and removes it
afterwards. A cluster of yours needs what docs/kubernetes.md says, and the images tollgate:dev and
--next-image. On this machine all of it is made, built first where it is not; the cluster is gone in the end.

--build needs Go 1.24 or newer (which fetches the newer Go that KEDA asks for), root, and of Debian's packages
buildah and debootstrap. It is needed once and takes most of an hour on two cores; after a quarter of one
./tollgate test can run the stage api. etcd, Helm, Kubernetes, KEDA and the other parts come from their Go
modules, at versions and sums that this checkout names; images of the servers are made of Debian 13. It may be
interrupted, and goes on where it was. All is kept in TOLLGATE_CACHE, else $XDG_CACHE_HOME/tollgate, else
~/.cache/tollgate; Go's own caches take some GB more.

--up starts them in namespaces of their own, which takes Linux, root, and of Debian's packages containerd,
runc, iptables, ipset and conntrack. All of it is gone when the command ends, however it ends.

Exit codes: 0 all that was judged holds, ${EXIT.failed} something does not, ${EXIT.usage} wrong use.

Examples:
  ./tollgate drill cluster
  ./tollgate drill cluster --kubeconfig ~/.kube/config --only wake,triggers
  ./tollgate drill cluster --build --production
  ./tollgate drill cluster --up --nodes 3`,
  )
  .action(cluster);

interface Flags extends Omit<DrillFlags, "kubeconfig"> {
  kubeconfig?: string;
  build: boolean;
  production: boolean;
  up: boolean;
  nodes: number;
}

async function cluster({ build, production, up, nodes, ...flags }: Flags): Promise<void> {
  const { env } = process;
  const interrupt = new AbortController();
  const { signal } = interrupt;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => interrupt.abort());
  const progress = createProgress(flags.json ? process.stderr : process.stdout);
  if (up) return await keepUp(env, progress, { nodes, signal });
  if (build) {
    const groups = production ? GROUPS : GROUPS.filter((group) => group !== "production");
    await buildCluster(env, progress, signal, groups);
    return progress.say(`All is in ${cacheFolder(env)}. Try: ./tollgate test api`);
  }
  const kubeconfig = flags.kubeconfig ?? env["KUBECONFIG"] ?? "";
  if (kubeconfig === "") await drillOnOwnCluster(flags, progress, signal);
  else await drillOnCluster({ ...flags, kubeconfig }, progress, signal);
}

function toNodes(text: string): number {
  const nodes = Number(text);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > NODES_MAX)
    throw new InvalidArgumentError(`must be a whole number from 1 to ${NODES_MAX}`);
  return nodes;
}

program
  .command("production")
  .description("k8s/overlays/production for real, on three nodes of this machine")
  .addHelpText(
    "after",
    `
Starts a cluster, installs the operators of production and a store for backups, and follows
docs/kubernetes.md with no more changed than is marked CHANGE. Then, under load, it takes away PostgreSQL's
primary, Redis' master and a node of RabbitMQ, makes a backup, goes back to a moment, and compares the books
after each. What it saw is kept as .tollgate/drill/production.json. Builds first what is not built, as
./tollgate drill cluster --build --production does, and needs what that and --up need.

Exit codes: 0 all is as it should be, ${EXIT.failed} something is not, or is missing here.

Examples:
  ./tollgate drill production`,
  )
  .action(drillOnProduction);

async function drillOnProduction(): Promise<void> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupt.abort());
  await drillProduction(process.env, createProgress(process.stdout), interrupt.signal);
}

await runProgram(program, process.env);
