import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { createProgram, runProgram } from "../adapters/terminal/program.ts";
import { createProgress } from "../adapters/terminal/progress.ts";
import { buildCluster } from "../local/cluster/build.ts";
import { cacheFolder } from "../local/cluster/cache.ts";
import { GROUPS } from "../local/cluster/sources.ts";

const program = createProgram("tollgate drill").description(
  "rehearse on a real Kubernetes what the tests cannot show",
);

program
  .command("cluster")
  .description("a cluster on this machine")
  .option("--build", "build its programs and images, and fetch what operators bring", false)
  .option("--production", "with --build: what k8s/overlays/production needs too", false)
  .addHelpText(
    "after",
    `
--build needs Go 1.24 or newer (which fetches the newer Go that KEDA asks for), root, and of Debian's packages
buildah and debootstrap. It is needed once and takes most of an hour on two cores; after a quarter of one
./tollgate test can run the stage api. etcd, Helm, Kubernetes, KEDA and the other parts come from their Go
modules, at versions and sums that this checkout names; images of the servers are made of Debian 13. It may be
interrupted, and goes on where it was. All is kept in TOLLGATE_CACHE, else $XDG_CACHE_HOME/tollgate, else
~/.cache/tollgate; Go's own caches take some GB more.

Examples:
  ./tollgate drill cluster --build
  ./tollgate drill cluster --build --production`,
  )
  .action(cluster);

async function cluster(options: { build: boolean; production: boolean }): Promise<void> {
  if (!options.build) {
    throw new CommandFailure(
      "the drill itself is not there yet: only ./tollgate drill cluster --build is",
      { exitCode: EXIT.usage },
    );
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupt.abort());
  const progress = createProgress(process.stdout);
  const groups = options.production ? GROUPS : GROUPS.filter((group) => group !== "production");
  await buildCluster(process.env, progress, interrupt.signal, groups);
  progress.say(`All is in ${cacheFolder(process.env)}. Try: ./tollgate test api`);
}

await runProgram(program, process.env);
