import type { CallsWish } from "../load/wishes.ts";
import type { Finding, Phase } from "../phase.ts";
import { GATEWAY_URL, type Scene } from "../scene.ts";
import { watchGrowth, watchReturn } from "../scaling/watch-growth.ts";
import { setEnvironment, untilReplicas } from "../workload.ts";

const ZERO_LIMIT_MS = 4 * 60_000;
const GROWTH_LIMIT_MS = 150_000;
const NARROW = "TOLLGATE_MODELS__SIM_CHAT__CONCURRENCY_MAX";
const SLOW = "ML_SIM_TTFT_MS";

type Requests = Pick<CallsWish, "count" | "seconds" | "ratePerSecond" | "prompt"> & {
  maxTokens: number;
};

/** Work that one trigger of the workers asks more replicas for than every other one. */
interface Work {
  trigger: string;
  /** How long the ML service takes for each request, milliseconds. */
  serviceMs: number;
  /** How many requests a worker runs at once; null: as configured. */
  atOnce: number | null;
  /** Is posted first, and a worker is waited for. */
  before?: Requests;
  requests: Requests;
}

/**
 * Many short requests; few that grow old because each worker runs two at once; few that ask for many tokens;
 * and few at a time, of which each uses up many tokens.
 */
const WORKS: readonly Work[] = [
  {
    trigger: "queue-length",
    serviceMs: 4_000,
    atOnce: null,
    requests: { count: 200, maxTokens: 16 },
  },
  {
    trigger: "oldest-runnable",
    serviceMs: 10_000,
    atOnce: 2,
    requests: { count: 16, maxTokens: 16 },
  },
  {
    trigger: "tokens-runnable",
    serviceMs: 10_000,
    atOnce: 2,
    requests: { count: 24, maxTokens: 4_096 },
  },
  {
    trigger: "token-rate",
    serviceMs: 0,
    atOnce: null,
    before: { count: 1, maxTokens: 16 },
    requests: {
      seconds: 75,
      ratePerSecond: 3,
      maxTokens: 16,
      prompt: { field: "prompt", chars: 40_000 },
    },
  },
];

export const triggers: Phase = {
  name: "triggers",
  title: "workers go from zero to several and back, by each of their triggers",
  run: async (scene) => {
    const findings: Finding[] = [];
    for (const work of WORKS) findings.push(...(await tryTrigger(scene, work)));
    await prepare(scene, { serviceMs: 0, atOnce: null });
    return findings;
  },
};

async function prepare(
  scene: Scene,
  { serviceMs, atOnce }: Pick<Work, "serviceMs" | "atOnce">,
): Promise<void> {
  await setEnvironment(scene, "ml", { [SLOW]: String(serviceMs) });
  await setEnvironment(scene, "worker", { [NARROW]: atOnce === null ? null : String(atOnce) });
}

async function tryTrigger(scene: Scene, work: Work): Promise<Finding[]> {
  const { trigger, before, requests } = work;
  await untilReplicas(scene, "worker", (wanted) => wanted === 0, ZERO_LIMIT_MS);
  await prepare(scene, work);
  scene.mark(trigger, "trial");
  if (before !== undefined) {
    await post(scene, before);
    await untilReplicas(scene, "worker", (wanted) => wanted > 0, GROWTH_LIMIT_MS);
  }
  const sinceMs = Date.now();
  const posting = post(scene, requests);
  const growing = watchGrowth(scene, "worker", sinceMs, GROWTH_LIMIT_MS);
  const [accepted, { first, seconds }] = await Promise.all([posting, growing]);
  const most = await watchReturn(scene, "worker", 0, ZERO_LIMIT_MS);
  const tookSeconds = Math.round((Date.now() - sinceMs) / 1_000);
  return [
    {
      what: `${trigger} is what adds workers`,
      isKept: first.trigger === trigger,
      seen: `→ ${first.replicas} by ${first.trigger} after ${Math.round(seconds)} s`,
    },
    {
      what: `${trigger}: workers return to zero`,
      isKept: accepted > 0,
      seen: `0 → ${Math.max(most, first.replicas)} → 0 in ${tookSeconds} s, ${accepted} requests`,
    },
  ];
}

/** Posts requests from outside; returns how many were accepted. */
async function post(
  scene: Scene,
  { maxTokens, prompt = { field: "prompt", chars: 64 }, ...calls }: Requests,
): Promise<number> {
  const [pod, [user]] = await Promise.all([scene.outside(), scene.users()]);
  const statuses = await pod.calls({
    url: `${GATEWAY_URL}/generate`,
    headers: {
      authorization: `Bearer ${user?.apiKey}`,
      "content-type": "application/json",
    },
    body: { max_tokens: maxTokens },
    prompt,
    concurrency: 8,
    ...calls,
  });
  return statuses["202"] ?? 0;
}
