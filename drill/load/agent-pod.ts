import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import type { HistoryEvent } from "../../history/history.ts";
import type { KubeApi } from "../kube/api.ts";
import { isReady, type Pod } from "../kube/resources.ts";
import { type Client, mustRun } from "../../local/cluster/client.ts";
import { WITH_PARENT } from "../../local/processes/processes.ts";
import { until } from "../until.ts";
import type { CallsWish, ConnectWish, Statuses, SteadyWish, Wish } from "./wishes.ts";

/** A pod of the drill, in which its own program runs: it sees the cluster as another pod does. */
export interface AgentPod {
  name: string;
  namespace: string;
  calls: (wish: Omit<CallsWish, "kind">) => Promise<Statuses>;
  /** Whether each target took a connection. */
  connects: (targets: ConnectWish["targets"]) => Promise<boolean[]>;
  /** A load whose history is written to a file. */
  steady: (wish: Omit<SteadyWish, "kind">, historyPath: string) => SteadyLoad;
  remove: () => Promise<void>;
}

export interface LoadTally {
  acknowledged: number;
  /** Calls that were refused, by their code. */
  refused: Record<string, number>;
  /** Calls that got no reply. */
  unanswered: number;
}

export interface SteadyLoad {
  tally: () => LoadTally;
  /** Begins no more requests, waits for those under way. @throws when the load ended by itself */
  stop: () => Promise<void>;
}

export interface AgentPodWish {
  name: string;
  namespace: string;
  labels?: Record<string, string>;
  /** Tollgate's: it has Bun. */
  image: string;
}

interface Tools {
  api: KubeApi;
  kubectl: Client;
  program: { kubectl: string; kubeconfig: string };
  signal: AbortSignal;
}

const READY_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 60_000;
/** A call may last as long as it is told to; this is for kubectl on top. */
const CALL_EXTRA_MS = 60_000;
const AGENT = "/drill/agent.js";

const HARDENED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

const DRILL_LABEL = { "tollgate.io/drill": "agent" };

/**
 * No controller adopts it, and no service sends it anything although it may have a role's labels: its
 * readiness is a file that is not there.
 */
function manifestOf({ name, namespace, labels, image }: AgentPodWish, source: string): string {
  const metadata = { name, namespace, labels: { ...DRILL_LABEL, ...labels } };
  const config = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { "agent.js": source } };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 10_001,
        runAsGroup: 10_001,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [
        {
          name: "agent",
          image,
          args: ["-e", "setInterval(() => {}, 1e9)"],
          ...(labels && {
            readinessProbe: {
              exec: { command: ["test", "-e", "/drill/never"] },
              periodSeconds: 60,
            },
          }),
          resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "512Mi" } },
          securityContext: HARDENED,
          volumeMounts: [
            { name: "program", mountPath: "/drill", readOnly: true },
            { name: "tmp", mountPath: "/tmp" },
          ],
        },
      ],
      volumes: [
        { name: "program", configMap: { name } },
        { name: "tmp", emptyDir: {} },
      ],
    },
  };
  return `${JSON.stringify(config)}\n---\n${JSON.stringify(pod)}`;
}

async function bundleAgent(): Promise<string> {
  const built = await Bun.build({
    entrypoints: [new URL("agent.ts", import.meta.url).pathname],
    target: "bun",
    minify: true,
  });
  const [output] = built.outputs;
  if (output === undefined) throw new Error("the program of the drill's pods is not built");
  return await output.text();
}

/** Makes a pod and waits until its container runs. */
export async function startAgentPod(tools: Tools, wish: AgentPodWish): Promise<AgentPod> {
  const { api, kubectl, signal } = tools;
  const { name, namespace } = wish;
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  const remove = async (): Promise<void> => {
    await api.remove(path);
    await api.remove(`/api/v1/namespaces/${namespace}/configmaps/${name}`);
  };
  await mustRun(kubectl(["apply", "-f", "-"], manifestOf(wish, await bundleAgent())));
  await until(`pod ${namespace}/${name} runs`, { limitMs: READY_LIMIT_MS, signal }, async () => {
    const pod = await api.get<Pod>(path);
    const started = pod.status?.containerStatuses?.some(({ state }) => "running" in (state ?? {}));
    return isReady(pod) || started === true ? true : undefined;
  });

  const exec = ["exec", "--stdin", "--namespace", namespace, name, "--", "bun", AGENT];
  const command = (one: Wish): string[] => [...exec, JSON.stringify(one)];
  async function ask<Answer>(one: Wish, limitMs: number): Promise<Answer> {
    const out = await mustRun(kubectl(command(one), "", { limitMs, signal }));
    return JSON.parse(out) as Answer;
  }

  return {
    name,
    namespace,
    calls: (one) => ask({ kind: "calls", ...one }, (one.seconds ?? 60) * 1_000 + CALL_EXTRA_MS),
    connects: (targets) => ask({ kind: "connect", targets }, CALL_EXTRA_MS),
    steady: (one, historyPath) =>
      startSteady(tools, command({ kind: "steady", ...one }), historyPath),
    remove,
  };
}

function startSteady({ program, signal }: Tools, command: string[], path: string): SteadyLoad {
  const tally: LoadTally = { acknowledged: 0, refused: {}, unanswered: 0 };
  const file = createWriteStream(path);
  const run = Bun.spawn([...WITH_PARENT, program.kubectl, ...command], {
    env: { ...process.env, KUBECONFIG: program.kubeconfig },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    signal,
  });
  const errors = new Response(run.stderr).text();

  async function read(): Promise<void> {
    for await (const line of createInterface({ input: Readable.fromWeb(run.stdout) })) {
      const event = JSON.parse(line) as HistoryEvent;
      file.write(`${line}\n`);
      if (event.type === "info") tally.unanswered += 1;
      else if (event.type === "fail")
        tally.refused[event.code] = (tally.refused[event.code] ?? 0) + 1;
      else if (event.type === "ok" && event.act === "generate") tally.acknowledged += 1;
    }
    await new Promise((resolve) => file.end(resolve));
  }

  const reading = read();
  return {
    tally: () => structuredClone(tally),
    stop: async () => {
      if (run.exitCode !== null)
        throw new Error(`the load ended by itself: ${(await errors).trim()}`);
      await run.stdin.end();
      const late = setTimeout(() => run.kill("SIGKILL"), STOP_LIMIT_MS);
      await Promise.all([reading, run.exited]);
      clearTimeout(late);
      if (run.exitCode !== 0) throw new Error(`the load failed: ${(await errors).trim()}`);
    },
  };
}
