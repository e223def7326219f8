import type { Finding, Phase } from "../phase.ts";
import { GATEWAY_URL, NAMESPACE, type Scene } from "../scene.ts";
import { watchGrowth, watchReturn } from "../scaling/watch-growth.ts";
import { NAME_LABEL } from "../kube/resources.ts";
import { changeScaling, untilReplicas } from "../workload.ts";

const GROWTH_LIMIT_MS = 150_000;
const RETURN_LIMIT_MS = 4 * 60_000;
/** Work is made in such pieces, until the autoscaler has acted. */
const PIECE_SECONDS = 10;

export const services: Phase = {
  name: "services",
  title:
    "gateways and ML services are added by calls and by CPU, of which requests are as they are",
  run: async (scene) => [
    await judge(scene, {
      name: "gateway",
      trigger: "request-rate",
      atLeast: 2,
      keepBusy: callOften,
    }),
    await judgeGatewayCpu(scene),
    await judge(scene, { name: "ml", trigger: "cpu", atLeast: 1, keepBusy: callService }),
  ],
};

interface Trial {
  name: "gateway" | "ml";
  trigger: string;
  atLeast: number;
  keepBusy: (scene: Scene) => Promise<() => Promise<unknown>>;
}

async function judge(scene: Scene, { name, trigger, atLeast, keepBusy }: Trial): Promise<Finding> {
  await untilReplicas(scene, name, (wanted) => wanted === atLeast, RETURN_LIMIT_MS);
  scene.mark(`${name} by ${trigger}`, "trial");
  const work = await keepBusy(scene);
  const sinceMs = Date.now();
  const over = new AbortController();
  const working = (async () => {
    while (!over.signal.aborted) await work();
  })();
  const growing = watchGrowth(scene, name, sinceMs, GROWTH_LIMIT_MS).finally(() => over.abort());
  const [{ first, seconds }] = await Promise.all([growing, working]);
  const most = await watchReturn(scene, name, atLeast, RETURN_LIMIT_MS);
  return {
    what: `${trigger} is what adds to ${name}`,
    isKept: first.trigger === trigger,
    seen:
      `${atLeast} → ${Math.max(most, first.replicas)} → ${atLeast}, ` +
      `by ${first.trigger} after ${Math.round(seconds)} s`,
  };
}

/** Calls without a key cost next to nothing: their number is what counts. */
async function callOften(scene: Scene): Promise<() => Promise<unknown>> {
  const pod = await scene.outside();
  const url = `${GATEWAY_URL}/quota`;
  return () => pod.calls({ url, headers: {}, concurrency: 64, seconds: PIECE_SECONDS });
}

/** One gateway takes all that two cores have for it; two would not come above the threshold there. */
async function judgeGatewayCpu(scene: Scene): Promise<Finding> {
  await changeScaling(scene, "gateway", { minReplicaCount: 1 });
  scene.mark("gateways may be one alone");
  try {
    return await judge(scene, { name: "gateway", trigger: "cpu", atLeast: 1, keepBusy: callLong });
  } finally {
    await changeScaling(scene, "gateway", { minReplicaCount: 2 });
  }
}

/** Prompts longer than the model takes: they are counted, and refused. */
async function callLong(scene: Scene): Promise<() => Promise<unknown>> {
  const [pod, [user]] = await Promise.all([scene.outside(), scene.users()]);
  return () =>
    pod.calls({
      url: `${GATEWAY_URL}/generate`,
      headers: {
        authorization: `Bearer ${user?.apiKey}`,
        "content-type": "application/json",
      },
      body: { max_tokens: 16 },
      prompt: { field: "prompt", chars: 400_000 },
      concurrency: 8,
      seconds: PIECE_SECONDS,
    });
}

/** Past gateways and workers, which need more of two cores for a request than the simulator does. */
async function callService(scene: Scene): Promise<() => Promise<unknown>> {
  const pod = await scene.startPod({
    name: "drill-busy",
    namespace: NAMESPACE,
    labels: { [NAME_LABEL]: "worker" },
    image: await scene.image(),
  });
  return () =>
    pod.calls({
      url: "http://ml:8000/generate",
      headers: { "content-type": "application/json" },
      body: { max_new_tokens: 64 },
      prompt: { field: "input", chars: 2_000 },
      concurrency: 16,
      seconds: PIECE_SECONDS,
    });
}
