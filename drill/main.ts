import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { createProgram, runProgram } from "../adapters/terminal/program.ts";
import { createProgress } from "../adapters/terminal/progress.ts";
import { buildCluster } from "../local/cluster/build.ts";
import { cacheFolder } from "../local/cluster/cache.ts";
import { drillProduction } from "./production/production.ts";

const program = createProgram("tollgate drill").description(
  "rehearse on a real Kubernetes what the tests cannot show",
);

program
  .command("cluster")
  .description("a cluster on this machine")
  .option("--build", "build its programs, and fetch the definitions of the operators", false)
  .addHelpText(
    "after",
    `
--build needs Go 1.24 or newer, takes a quarter of an hour on two cores, and is needed once: etcd, Helm
and Kubernetes come from their Go modules, at versions and sums that this checkout names. It may be
interrupted, and goes on where it was. Afterwards ./tollgate test runs the stage api. The programs, half a
GB, are kept in TOLLGATE_CACHE, else $XDG_CACHE_HOME/tollgate, else ~/.cache/tollgate; Go's own caches
take some GB more.

Examples:
  ./tollgate drill cluster --build`,
  )
  .action(cluster);

async function cluster({ build }: { build: boolean }): Promise<void> {
  if (!build) {
    throw new CommandFailure(
      "the drill itself is not there yet: only ./tollgate drill cluster --build is",
      { exitCode: EXIT.usage },
    );
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupt.abort());
  const progress = createProgress(process.stdout);
  await buildCluster(process.env, progress, interrupt.signal);
  progress.say(`All is in ${cacheFolder(process.env)}. Try: ./tollgate test api`);
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
