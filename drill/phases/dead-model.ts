import type { Finding, Phase } from "../phase.ts";
import { GATEWAY_URL, type Scene } from "../scene.ts";
import { pause, until } from "../until.ts";
import { holdReplicas, replicasOf, untilReplicas } from "../workload.ts";
import { queryPrometheus } from "../timeline/read-cluster.ts";

const ZERO_LIMIT_MS = 4 * 60_000;
const KNOWN_LIMIT_MS = 120_000;
const DONE_LIMIT_MS = 4 * 60_000;
/** KEDA looks every ten seconds, the autoscaler every fifteen. */
const WATCH_MS = 40_000;
const LOOK_EVERY_MS = 1_000;
const MODEL = "sim-chat";
/** By their number alone they would wake seven workers. */
const REQUESTS = 200;

export const deadModel: Phase = {
  name: "dead-model",
  title: "requests of a model that cannot be called wake no worker, but one to probe it",
  run: async (scene) => {
    await untilReplicas(scene, "worker", (wanted) => wanted === 0, ZERO_LIMIT_MS);
    try {
      await holdReplicas(scene, "ml", 0);
      await untilReplicas(scene, "ml", (wanted) => wanted === 0, ZERO_LIMIT_MS);
      scene.mark("the ML service is away");
      await post(scene, 1);
      await untilPaused(scene);
      const accepted = await post(scene, REQUESTS);
      const probing = await mostWorkers(scene);
      await scene.tollgate(["model", "pause", MODEL, "--reason", "drill"]);
      scene.mark("the model is paused by an operator");
      await untilReplicas(scene, "worker", (wanted) => wanted === 0, ZERO_LIMIT_MS);
      const asleep = await mostWorkers(scene);
      return [
        judge(`${accepted + 1} requests of a dead model wake one worker at most`, probing, 1),
        judge("those of a model that is paused by hand wake none", asleep, 0),
        await judgeReturn(scene),
      ];
    } finally {
      await holdReplicas(scene, "ml", null);
      // It says so by its exit code where nobody has paused the model.
      await scene.tollgate(["model", "resume", MODEL]).catch(() => {});
    }
  },
};

const judge = (what: string, most: number, allowed: number): Finding => ({
  what,
  isKept: most <= allowed,
  seen: `at most ${most} in ${WATCH_MS / 1_000} s`,
});

/** A worker has found out, and all others know of it. */
const untilPaused = (scene: Scene): Promise<true> =>
  until(
    "the model is known to be away",
    { limitMs: KNOWN_LIMIT_MS, signal: scene.signal },
    async () => {
      const list = await scene.tollgate(["model", "list", "--json"]);
      const models = JSON.parse(list) as { model: string; state: string }[];
      return models.some(({ model, state }) => model === MODEL && state === "paused")
        ? true
        : undefined;
    },
  );

async function mostWorkers(scene: Scene): Promise<number> {
  const untilMs = performance.now() + WATCH_MS;
  let most = 0;
  while (performance.now() < untilMs) {
    most = Math.max(most, (await replicasOf(scene, "worker")).wanted);
    await pause(LOOK_EVERY_MS, scene.signal);
  }
  return most;
}

/** The service is back and the model resumed: everything that waited is done. */
async function judgeReturn(scene: Scene): Promise<Finding> {
  await holdReplicas(scene, "ml", null);
  await scene.tollgate(["model", "resume", MODEL]);
  scene.mark("the ML service is back");
  const startedMs = performance.now();
  const waiting = `sum(max by (model) (gateway_requests_waiting{namespace="tollgate"}))`;
  await until(
    "all requests have ended",
    { limitMs: DONE_LIMIT_MS, signal: scene.signal },
    async () => ((await queryPrometheus(scene.api, waiting)) === 0 ? true : undefined),
  );
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  return { what: "all of them end once it is back", isKept: true, seen: `after ${seconds} s` };
}

async function post(scene: Scene, count: number): Promise<number> {
  const [pod, [user]] = await Promise.all([scene.outside(), scene.users()]);
  const statuses = await pod.calls({
    url: `${GATEWAY_URL}/generate`,
    headers: { authorization: `Bearer ${user?.apiKey}`, "content-type": "application/json" },
    body: { model: MODEL, max_tokens: 16 },
    prompt: { field: "prompt", chars: 64 },
    concurrency: 8,
    count,
  });
  return statuses["202"] ?? 0;
}
