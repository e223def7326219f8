import { join } from "node:path";

import { chartTemplates } from "./helm-chart.ts";
import { build, findKustomize } from "./kustomize.ts";
import type { PrometheusRule } from "./resources.ts";

const ROOT = join(import.meta.dir, "../..");
const TEMPLATES = join(ROOT, "k8s/helm/templates");

export interface Copy {
  path: string;
  /** What the file must contain. */
  text: string;
}

/**
 * Files that repeat another one, because the tool that reads them cannot read the original: kustomize reads
 * nothing above its root, and Prometheus does not know the operator's resource. Run this file to write them;
 * a test compares.
 */
export async function copies(): Promise<Copy[]> {
  const config = await Bun.file(join(ROOT, "tollgate.yaml")).text();
  const rules = await Bun.file(join(ROOT, "k8s/base/monitoring/rules.yaml")).text();
  const { spec } = Bun.YAML.parse(rules) as PrometheusRule;
  const warning = "# Written by `bun test/k8s/copies.ts` from k8s/base/monitoring/rules.yaml.\n";
  return [
    { path: join(ROOT, "k8s/base/app/tollgate.yaml"), text: config },
    { path: join(ROOT, "k8s/helm/files/tollgate.yaml"), text: config },
    {
      path: join(ROOT, "docker/prometheus-rules.yaml"),
      text: `${warning}${Bun.YAML.stringify({ groups: spec.groups }, null, 2)}\n`,
    },
  ];
}

/** The templates of the Helm chart that follow from `k8s/base`; null where it cannot be built. */
export function chartCopies(): Copy[] | null {
  const { command } = findKustomize();
  if (command === null) return null;
  const templates = chartTemplates(build(command, "base"));
  return [...templates].map(([name, text]) => ({ path: join(TEMPLATES, name), text }));
}

if (import.meta.main) {
  for (const { path, text } of [...(await copies()), ...(chartCopies() ?? [])])
    await Bun.write(path, text);
}
