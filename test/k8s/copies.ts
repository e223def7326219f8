import { join } from "node:path";

import type { PrometheusRule } from "./resources.ts";

const ROOT = join(import.meta.dir, "../..");

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
    {
      path: join(ROOT, "docker/prometheus-rules.yaml"),
      text: `${warning}${Bun.YAML.stringify({ groups: spec.groups }, null, 2)}\n`,
    },
  ];
}

if (import.meta.main) {
  for (const { path, text } of await copies()) await Bun.write(path, text);
}
