import { join } from "node:path";

import { PROJECT_ROOT } from "../adapters/state/paths.ts";
import type { Caller } from "../history/load.ts";
import { type Client, mustRun } from "../local/cluster/client.ts";
import type { KubeApi } from "./kube/api.ts";
import { forwardPort, type ForwardWish, type PortForward } from "./kube/port-forward.ts";
import type { Deployment } from "./kube/resources.ts";
import type { MarkKind } from "./timeline/timeline.ts";
import { type AgentPod, type AgentPodWish, startAgentPod } from "./load/agent-pod.ts";

/** The namespace of `k8s/overlays/dev`. */
export const NAMESPACE = "tollgate";
/** Whose pods the network policies let call the gateway. */
const CALLERS_NAMESPACE = "ingress-nginx";
export const OVERLAY = join(PROJECT_ROOT, "k8s/overlays/dev");
export const GATEWAY_URL = `http://gateway.${NAMESPACE}.svc`;

export interface SceneOptions {
  program: { kubectl: string; kubeconfig: string };
  api: KubeApi;
  kubectl: Client;
  /** Helm; undefined: there is none. */
  helm: Client | undefined;
  /** The cluster is the drill's own: what is in other namespaces may be stopped for a while. */
  isOwn: boolean;
  /** The image that is rolled out, besides the overlay's. */
  nextImage: string;
  killMinutes: number;
  seed: number;
  /** Where histories and the timeline are written. */
  folder: string;
  say: (line: string) => void;
  /** Puts a remark on the timeline, or the beginning of a trial, and says it. */
  mark: (text: string, kind?: MarkKind) => void;
  signal: AbortSignal;
}

/** What a phase works with. */
export interface Scene extends SceneOptions {
  forward: (wish: ForwardWish) => Promise<PortForward>;
  /** The image of Tollgate that the overlay names. */
  image: () => Promise<string>;
  /** A pod in the place of an ingress, one for all phases. */
  outside: () => Promise<AgentPod>;
  startPod: (wish: AgentPodWish) => Promise<AgentPod>;
  /** Users without limits, made by Tollgate's own command; the same ones for all phases. */
  users: () => Promise<Caller[]>;
  /** Others, all of whose requests are in a history. */
  loadUsers: () => Promise<Caller[]>;
  /** Histories of loads so far. */
  histories: readonly string[];
  /** The number of the first operation of a new load, whose history it is. */
  nextOps: (historyPath: string) => number;
  /** Runs Tollgate's command in a collector's pod, and returns what it printed. */
  tollgate: (args: readonly string[]) => Promise<string>;
  /** Removes what was made besides the overlay. */
  tidy: () => Promise<void>;
}

const COMMAND_LIMIT_MS = 60_000;
const USERS = 3;
const TRIES = 3;
/** Operations of one load are far fewer. */
const OPS_PER_LOAD = 1_000_000;

export const deploymentPath = (name: string, namespace = NAMESPACE): string =>
  `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;

export function createScene(options: SceneOptions): Scene {
  const { api, kubectl, program, signal } = options;
  const tools = { api, kubectl, program, signal };
  const undo: (() => Promise<unknown>)[] = [];
  let outside: Promise<AgentPod> | undefined;
  let users: Promise<Caller[]> | undefined;
  let loadUsers: Promise<Caller[]> | undefined;
  const histories: string[] = [];

  async function image(): Promise<string> {
    const { spec } = await api.get<Deployment>(deploymentPath("gateway"));
    return spec.template.spec.containers[0]?.image ?? "";
  }

  async function startPod(wish: AgentPodWish): Promise<AgentPod> {
    const pod = await startAgentPod(tools, wish);
    undo.push(() => pod.remove());
    return pod;
  }

  async function openOutside(): Promise<AgentPod> {
    await needNamespace(CALLERS_NAMESPACE);
    return await startPod({
      name: "tollgate-drill",
      namespace: CALLERS_NAMESPACE,
      image: await image(),
    });
  }

  /** Makes a namespace where it is not, and removes it in the end then. */
  async function needNamespace(name: string): Promise<void> {
    const path = `/api/v1/namespaces/${name}`;
    if ((await api.find(path)) !== undefined) return;
    await mustRun(kubectl(["create", "namespace", name]));
    undo.push(() => api.remove(path));
  }

  async function tollgate(args: readonly string[]): Promise<string> {
    const command = ["exec", "deploy/gateway", "--", "bun", "cli/main.ts", ...args];
    const limits = { limitMs: COMMAND_LIMIT_MS, signal };
    return await mustRun(kubectl(["--namespace", NAMESPACE, ...command], "", limits));
  }

  /** A gateway may be replaced just then; a user of the same email would be refused. */
  async function addUser(): Promise<Caller> {
    for (let tries = 1; ; tries += 1) {
      const email = `${crypto.randomUUID()}@drill.example`;
      try {
        const out = await tollgate(["user", "add", email, "--tier", "unlimited", "--json"]);
        const { user_id: userId, api_key: apiKey } = JSON.parse(out) as Record<string, string>;
        return { userId: userId ?? "", apiKey: apiKey ?? "" };
      } catch (error) {
        if (tries === TRIES || signal.aborted) throw error;
      }
    }
  }

  const addUsers = (): Promise<Caller[]> => Promise.all(Array.from({ length: USERS }, addUser));

  return {
    ...options,
    forward: (wish) => forwardPort(program, wish, signal),
    image,
    startPod,
    outside: () => (outside ??= openOutside()),
    users: () => (users ??= addUsers()),
    loadUsers: () => (loadUsers ??= addUsers()),
    histories,
    nextOps: (path) => histories.push(path) * OPS_PER_LOAD,
    tollgate,
    tidy: async () => {
      for (const step of undo.toReversed()) await step();
    },
  };
}
