import type { AgentPod } from "../load/agent-pod.ts";
import { mustRun } from "../../local/cluster/client.ts";
import { isReady } from "../kube/resources.ts";
import type { Finding, Phase } from "../phase.ts";
import { callersOf, type Manifest, type Party, type Way, waysOf } from "../policies/ways.ts";
import { NAMESPACE, OVERLAY, type Scene } from "../scene.ts";
import { pause } from "../until.ts";
import { holdReplicas, podsOf, untilReplicas } from "../workload.ts";

const WORKER_LIMIT_MS = 120_000;
/** Rules for a pod that has just started may take a moment. */
const TRIES = 4;
const TRY_AGAIN_MS = 5_000;
const EXAMPLES_MAX = 12;

export const policies: Phase = {
  name: "policies",
  title: "each way between pods is open or refused as the network policies say",
  run: async (scene) => {
    const text = await mustRun(scene.kubectl(["kustomize", OVERLAY]));
    const manifests = [Bun.YAML.parse(text)].flat() as Manifest[];
    const pods: AgentPod[] = [];
    try {
      // A port is only tried where somebody listens.
      await holdReplicas(scene, "worker", 1);
      await untilReplicas(scene, "worker", (wanted) => wanted === 1, WORKER_LIMIT_MS);
      const callers = callersOf(manifests, NAMESPACE);
      const image = await scene.image();
      const started = await Promise.allSettled(
        callers.map((caller) => startCaller(scene, caller, image)),
      );
      for (const one of started) if (one.status === "fulfilled") pods.push(one.value);
      const failed = started.find((one) => one.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      const ways = waysOf(manifests, NAMESPACE);
      return judge(ways, await tryWays(scene, callers, pods, ways));
    } finally {
      await holdReplicas(scene, "worker", null);
      await Promise.all(pods.map((pod) => pod.remove()));
    }
  },
};

const startCaller = (scene: Scene, { name, namespace, labels }: Party, image: string) =>
  scene.startPod({
    name: namespace === NAMESPACE ? `drill-${name}` : "drill-stray",
    namespace,
    labels,
    image,
  });

type Seen = ReadonlyMap<Way, boolean>;

/** Tries every way until all are as they should be, or the tries are used up. */
async function tryWays(
  scene: Scene,
  callers: readonly Party[],
  pods: readonly AgentPod[],
  ways: readonly Way[],
): Promise<Seen> {
  let seen: Seen = new Map();
  for (let tries = 1; tries <= TRIES; tries += 1) {
    if (tries > 1) await pause(TRY_AGAIN_MS, scene.signal);
    const addresses = await addressesOf(scene, ways);
    const tried = await Promise.all(
      callers.map(async ({ name }, at): Promise<[Way, boolean][]> => {
        const own = ways.filter(({ from }) => from.name === name);
        const open = await pods[at]?.connects(
          own.map(({ to, port }) => ({ host: addresses.get(to.name) ?? "", port })),
        );
        return own.map((way, index) => [way, open?.[index] === true]);
      }),
    );
    seen = new Map(tried.flat());
    if (ways.every((way) => seen.get(way) === way.isAllowed)) break;
  }
  return seen;
}

async function addressesOf(scene: Scene, ways: readonly Way[]): Promise<Map<string, string>> {
  const names = [...new Set(ways.map(({ to }) => to.name))];
  const found = await Promise.all(
    names.map(async (name): Promise<[string, string]> => {
      const pod = (await podsOf(scene, name)).find(isReady);
      return [name, pod?.status?.podIP ?? ""];
    }),
  );
  return new Map(found);
}

function judge(ways: readonly Way[], seen: Seen): Finding[] {
  const finding = (what: string, isAllowed: boolean): Finding => {
    const tried = ways.filter((way) => way.isAllowed === isAllowed);
    const wrong = tried.filter((way) => seen.get(way) !== isAllowed).map(nameOf);
    const examples = wrong.slice(0, EXAMPLES_MAX).join(", ");
    return {
      what,
      isKept: wrong.length === 0,
      seen: wrong.length === 0 ? `${tried.length} tried` : `${wrong.length} are not: ${examples}`,
    };
  };
  return [
    finding("every way that is allowed is open", true),
    finding("every other way is refused", false),
  ];
}

const nameOf = ({ from, to, port }: Way): string => `${from.name} > ${to.name}:${port}`;
