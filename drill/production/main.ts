// A process of its own, because it has to be in the network of the cluster. Its environment names the cluster
// and the programs; it writes what it saw to the file that is its argument, and ends with 1 when something is
// not as it should be.
import { CommandFailure, describeError, EXIT } from "../../adapters/terminal/failure.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { runProduction } from "./run-production.ts";

const {
  KUBECONFIG: kubeconfig = "",
  DRILL_KUBECTL: kubectl = "",
  DRILL_HELM: helm = "",
} = process.env;
const [recordPath = ""] = process.argv.slice(2);
const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => interrupt.abort());

try {
  const record = await runProduction({
    kubectl,
    kubeconfig,
    helm,
    progress: createProgress(process.stdout),
    signal: interrupt.signal,
  });
  await Bun.write(recordPath, `${JSON.stringify(record, null, 2)}\n`);
  if (record.problems.length > 0) throw new CommandFailure(record.problems.join("\n"));
  process.exit(0);
} catch (error) {
  process.stderr.write(`tollgate: ${describeError(error)}\n`);
  process.exit(interrupt.signal.aborted ? EXIT.interrupted : EXIT.failed);
}
