import { join } from "node:path";

import { WITH_PARENT } from "../../local/processes/processes.ts";
import { readSecrets } from "./books.ts";
import type { Kubectl } from "./kubectl.ts";
import type { AgentLoad } from "./load-agent.ts";

/** A load that comes from a pod, as from an ingress; its history grows in a file of ours. */
export interface PodLoad {
  /** Begins no more requests, waits for those under way, and removes the pod. */
  stop: () => Promise<void>;
}

/** The network policies let this namespace call the gateways. */
const NAMESPACE = "ingress-nginx";
const POD = "drill-load";
const GATEWAYS = "https://gateway.tollgate.svc";
const READY_LIMIT_MS = 120_000;
const COPY = "cat > /tmp/agent.js";
const RUN = 'NODE_EXTRA_CA_CERTS=/ca/ca.crt exec bun /tmp/agent.js "$0"';

/** Starts a load at the Service of the gateways, whose certificate is checked. */
export async function startPodLoad(
  kubectl: Kubectl,
  load: Omit<AgentLoad, "gateways">,
  historyPath: string,
): Promise<PodLoad> {
  const { "ca.crt": ca = "" } = await readSecrets(kubectl, "ingress-client-tls");
  const remove = ["-n", NAMESPACE, "delete", "pod,secret", POD, "--ignore-not-found"];
  await kubectl.run([...remove, "--force", "--grace-period=0"]);
  await kubectl.apply(podOf(ca));
  const ready = ["-n", NAMESPACE, "wait", "--for=condition=Ready", `pod/${POD}`, "--timeout=100s"];
  await kubectl.run(ready, { limitMs: READY_LIMIT_MS });
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "load-agent.ts")],
    target: "bun",
  });
  const agent = await built.outputs[0]?.text();
  const exec = ["-n", NAMESPACE, "exec", "-i", POD, "--", "sh", "-c"];
  await kubectl.run([...exec, COPY], { input: agent ?? "" });
  const run = Bun.spawn(
    [...WITH_PARENT, kubectl.program, ...exec, RUN].concat(
      JSON.stringify({ ...load, gateways: [GATEWAYS] } satisfies AgentLoad),
    ),
    {
      env: { ...process.env, KUBECONFIG: kubectl.kubeconfig },
      stdin: "pipe",
      stdout: Bun.file(historyPath),
      stderr: "inherit",
    },
  );
  return {
    stop: async () => {
      await run.stdin.end();
      const exitCode = await run.exited;
      await kubectl.run([...remove, "--force", "--grace-period=0"]);
      if (exitCode !== 0) throw new Error(`the load ended with ${exitCode}`);
    },
  };
}

function podOf(ca: string): unknown[] {
  const metadata = { name: POD, namespace: NAMESPACE };
  return [
    { apiVersion: "v1", kind: "Secret", metadata, stringData: { "ca.crt": ca } },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: {
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: "load",
            image: "docker.io/library/tollgate:dev",
            command: ["sleep", "7200"],
            volumeMounts: [{ name: "ca", mountPath: "/ca" }],
          },
        ],
        volumes: [{ name: "ca", secret: { secretName: POD } }],
      },
    },
  ];
}
