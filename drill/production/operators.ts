import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

import { downloadModule } from "../../local/cluster/definitions.ts";
import { OPERATORS, type OperatorName } from "../../local/cluster/operators.ts";
import type { Kubectl } from "./kubectl.ts";
import { runCommand } from "../../local/cluster/run-command.ts";

interface Tools {
  kubectl: Kubectl;
  helm: string;
  /** For files of the run. */
  folder: string;
  signal: AbortSignal;
}

/** An operator of production, as its own guide installs it. */
interface Installation {
  name: OperatorName;
  namespace: string;
  /** Its manifests, from the folder of its module. */
  render: (tools: Tools, module: string) => Promise<string>;
}

const CERT_MANAGER_PARTS = ["image", "webhook.image", "cainjector.image"];

/** In the order in which they need each other. */
const INSTALLATIONS: readonly Installation[] = [
  {
    name: "cert-manager",
    namespace: "cert-manager",
    render: ({ helm, signal }, module) => {
      const values = ["crds.enabled=true", "startupapicheck.enabled=false"].concat(
        CERT_MANAGER_PARTS.map((part) => `${part}.tag=${OPERATORS["cert-manager"].version}`),
      );
      const chart = join(module, "deploy/charts/cert-manager");
      return runCommand(
        [helm, "template", "cert-manager", chart, "--namespace", "cert-manager"].concat(
          ["--kube-version", "1.34.0"],
          values.flatMap((value) => ["--set", value]),
        ),
        { signal },
      );
    },
  },
  {
    name: "cloudnativepg",
    namespace: "cnpg-system",
    render: (_tools, module) => Bun.file(join(module, "releases/cnpg-1.30.0.yaml")).text(),
  },
  {
    name: "barman-cloud",
    namespace: "cnpg-system",
    render: (tools, module) => {
      const { version } = OPERATORS["barman-cloud"];
      const image = "ghcr.io/cloudnative-pg/plugin-barman-cloud";
      return kustomize(tools, join(module, "kubernetes"), {
        images: [{ name: `${image}-testing`, newName: image, newTag: version }],
        secretGenerator: [
          {
            name: "plugin-barman-cloud",
            namespace: "cnpg-system",
            behavior: "replace",
            literals: [`SIDECAR_IMAGE=${image}-sidecar:${version}`],
          },
        ],
      });
    },
  },
  {
    name: "rabbitmq-cluster",
    namespace: "rabbitmq-system",
    render: (tools, module) =>
      kustomize(tools, join(module, "config/installation"), {
        images: [tagged("rabbitmqoperator/cluster-operator", "rabbitmq-cluster")],
      }),
  },
  {
    name: "rabbitmq-topology",
    namespace: "rabbitmq-system",
    render: (tools, module) =>
      kustomize(tools, join(module, "config/installation/cert-manager"), {
        images: [tagged("rabbitmqoperator/messaging-topology-operator", "rabbitmq-topology")],
      }),
  },
];

const tagged = (name: string, operator: OperatorName) => ({
  name,
  newTag: OPERATORS[operator].version.replace(/^v/, ""),
});

/** What kustomize makes of a folder, which may be read-only, with more of a kustomization. */
async function kustomize(
  { kubectl, folder, signal }: Tools,
  base: string,
  more: Record<string, unknown>,
): Promise<string> {
  const own = join(folder, `kustomize-${Bun.hash(base)}`);
  mkdirSync(own, { recursive: true });
  const kustomization = { resources: [relative(own, base)], ...more };
  writeFileSync(join(own, "kustomization.yaml"), JSON.stringify(kustomization));
  return await runCommand([kubectl.program, "kustomize", own], { signal });
}

const READY_LIMIT = "--timeout=5m";
const READY_LIMIT_MS = 320_000;

export const PRODUCTION_OPERATORS = INSTALLATIONS.map(({ name }) => name);

/** Installs one operator, and waits until it runs. Its images have to be on the nodes: none is pulled. */
export async function installOperator(name: OperatorName, tools: Tools): Promise<void> {
  const found = INSTALLATIONS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`${name} is no operator of production`);
  const { kubectl, signal } = tools;
  const { namespace, render } = found;
  const rendered = await render(tools, await downloadModule(OPERATORS[name], signal));
  await kubectl.apply([{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }]);
  await kubectl.run(["apply", "--server-side", "--force-conflicts", "-f", "-"], {
    input: rendered.replaceAll(/imagePullPolicy: \w+/g, "imagePullPolicy: Never"),
  });
  await kubectl.run(
    ["-n", namespace, "wait", "--for=condition=Available", "deployment", "--all", READY_LIMIT],
    { limitMs: READY_LIMIT_MS },
  );
}
