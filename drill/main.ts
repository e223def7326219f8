import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { createProgram, runProgram } from "../adapters/terminal/program.ts";
import { createProgress } from "../adapters/terminal/progress.ts";
import { buildCluster } from "../local/cluster/build.ts";
import { cacheFolder } from "../local/cluster/cache.ts";
import { GROUPS } from "../local/cluster/sources.ts";
import { type DrillFlags, drillOnCluster, phaseNames } from "./cluster-command.ts";

const program = createProgram("tollgate drill").description(
  "rehearse on a real Kubernetes what the tests cannot show",
);

program
  .command("cluster")
  .description("a cluster on this machine")
  .option("--build", "build its programs and images, and fetch what operators bring", false)
  .option("--production", "with --build: what k8s/overlays/production needs too", false)
  .option("--kubeconfig <file>", "drill on this cluster (default: KUBECONFIG)")
  .option("--only <phases>", `some of ${phaseNames.join(", ")}`)
  .option("--minutes <n>", "how long pods are killed", "10")
  .option("--seed <n>", "which pods are killed", String(Date.now() % 1_000_000))
  .option("--next-image <image>", "what is rolled out", "tollgate:next")
  .option("--out <folder>", "where the timeline, its picture and histories go")
  .option("--keep", "leave Tollgate there afterwards", false)
  .option("--json", "print the findings as JSON", false)
  .option("--own", "the cluster is nobody else's: its Prometheus may be stopped", false)
  .addHelpText(
    "after",
    `
--build needs Go 1.24 or newer (which fetches the newer Go that KEDA asks for), root, and of Debian's packages
buildah and debootstrap. It is needed once and takes most of an hour on two cores; after a quarter of one
./tollgate test can run the stage api. etcd, Helm, Kubernetes, KEDA and the other parts come from their Go
modules, at versions and sums that this checkout names; images of the servers are made of Debian 13. It may be
interrupted, and goes on where it was. All is kept in TOLLGATE_CACHE, else $XDG_CACHE_HOME/tollgate, else
~/.cache/tollgate; Go's own caches take some GB more.

The drill applies k8s/overlays/dev in the namespace tollgate, which must not be there, and removes it
afterwards. The cluster needs what docs/kubernetes.md says, and the images tollgate:dev and --next-image.

Exit codes: 0 all that was judged holds, ${EXIT.failed} something does not, ${EXIT.usage} wrong use.

Examples:
  ./tollgate drill cluster --build
  ./tollgate drill cluster --build --production
  ./tollgate drill cluster --kubeconfig ~/.kube/config --only wake,triggers`,
  )
  .action(cluster);

interface Flags extends Omit<DrillFlags, "kubeconfig"> {
  build: boolean;
  production: boolean;
  kubeconfig?: string;
}

async function cluster({ build, production, ...flags }: Flags): Promise<void> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupt.abort());
  const progress = createProgress(flags.json ? process.stderr : process.stdout);
  if (build) {
    const groups = production ? GROUPS : GROUPS.filter((group) => group !== "production");
    await buildCluster(process.env, progress, interrupt.signal, groups);
    progress.say(`All is in ${cacheFolder(process.env)}. Try: ./tollgate test api`);
    return;
  }
  const kubeconfig = flags.kubeconfig ?? process.env["KUBECONFIG"] ?? "";
  if (kubeconfig === "")
    throw new CommandFailure("say which cluster, by --kubeconfig or KUBECONFIG", {
      exitCode: EXIT.usage,
    });
  await drillOnCluster({ ...flags, kubeconfig }, progress, interrupt.signal);
}

await runProgram(program, process.env);
