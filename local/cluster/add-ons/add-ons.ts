import { join } from "node:path";

import type { Progress } from "../../../adapters/terminal/progress.ts";
import type { Kubectl } from "../kubectl.ts";
import { makeStorage } from "./storage.ts";

const ROLL_OUT_LIMIT_S = 240;

const manifest = (name: string): string => join(import.meta.dir, `${name}.yaml`);

/** What pods expect of any cluster: names, volumes, and the namespaces that `k8s/` speaks of. */
export async function installBasics(
  kubectl: Kubectl,
  { folder, nodes, progress }: { folder: string; nodes: readonly string[]; progress: Progress },
): Promise<void> {
  await progress.step("names and volumes", async () => {
    const items = makeStorage(folder, nodes);
    const storage = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    await kubectl(["create", "-f", "-"], { input: storage });
    await kubectl(["create", "-f", manifest("namespaces"), "-f", manifest("dns")]);
    await rolledOut(kubectl, "kube-system", "deployment/coredns");
    return {};
  });
}

/** KEDA, the metrics server, and the Prometheus operator with a Prometheus that serves. */
export async function installOperators(
  kubectl: Kubectl,
  manifests: readonly string[],
  progress: Progress,
): Promise<void> {
  await progress.step("KEDA, metrics server, Prometheus", async () => {
    // Client-side, a definition may be too long for the annotation that remembers it.
    const apply = ["apply", "--server-side", "--force-conflicts"];
    for (const path of manifests) await kubectl([...apply, "-f", path]);
    await kubectl(["wait", "--for=condition=Established", "--timeout=60s", PROMETHEUS_DEFINITION], {
      limitMs: 70_000,
    });
    await kubectl([...apply, "-f", manifest("prometheus")]);
    await rolledOut(kubectl, "kube-system", "deployment/metrics-server");
    for (const name of ["keda-operator", "keda-metrics-apiserver", "keda-admission"])
      await rolledOut(kubectl, "keda", `deployment/${name}`);
    await rolledOut(kubectl, "monitoring", "deployment/prometheus-operator");
    // Where KEDA finds no Prometheus, its fallback scales at once.
    await kubectl(
      [
        "-n",
        "monitoring",
        "wait",
        "--for=create",
        "--timeout=60s",
        "statefulset/prometheus-tollgate",
      ],
      { limitMs: 70_000 },
    );
    await rolledOut(kubectl, "monitoring", "statefulset/prometheus-tollgate");
    await kubectl(["wait", "--for=condition=Available", "--timeout=120s", ...METRIC_APIS], {
      limitMs: 130_000,
    });
    return {};
  });
}

const PROMETHEUS_DEFINITION = "crd/prometheuses.monitoring.coreos.com";
const METRIC_APIS = [
  "apiservice/v1beta1.metrics.k8s.io",
  "apiservice/v1beta1.external.metrics.k8s.io",
];

async function rolledOut(kubectl: Kubectl, namespace: string, name: string): Promise<void> {
  await kubectl(["-n", namespace, "rollout", "status", name, `--timeout=${ROLL_OUT_LIMIT_S}s`], {
    limitMs: (ROLL_OUT_LIMIT_S + 10) * 1_000,
  });
}
