import { join } from "node:path";

import { mustRun } from "../../local/cluster/client.ts";
import { seededRandom } from "../../ml-sim/faults.ts";
import { checkLoads } from "../judge/check-loads.ts";
import { drawVictim, isWhole, SERVERS, type Victims } from "../judge/draw-victim.ts";
import { isReady } from "../kube/resources.ts";
import { type Finding, type Phase, within } from "../phase.ts";
import { GATEWAY_URL, NAMESPACE, type Scene } from "../scene.ts";
import { pause, until } from "../until.ts";
import { podsOf, untilReplicas } from "../workload.ts";

const RATE_PER_SECOND = 20;
const WORKER_LIMIT_MS = 120_000;
const HEAL_LIMIT_MS = 4 * 60_000;
const PAUSE_MS = { min: 2_000, max: 8_000 };
const TELL_EVERY_MS = 60_000;
/** RabbitMQ starts in half a minute on a busy machine. */
const AWAY_SECONDS_MAX = 120;
const ROLES = ["gateway", "worker", "collector"] as const;

export const kills: Phase = {
  name: "kills",
  title: "pods are killed at random under load",
  run: async (scene) => {
    const historyPath = join(scene.folder, "kills.jsonl");
    const firstOp = scene.nextOps(historyPath);
    const [pod, users] = await Promise.all([scene.outside(), scene.loadUsers()]);
    scene.mark(`pods are killed for ${scene.killMinutes} minutes, seed ${scene.seed}`);
    const load = pod.steady(
      { gateway: GATEWAY_URL, users, ratePerSecond: RATE_PER_SECOND, firstOp },
      historyPath,
    );
    const tellLoad = setInterval(
      () => scene.say(`  load: ${JSON.stringify(load.tally())}`),
      TELL_EVERY_MS,
    );
    let kills: Kills;
    try {
      await untilReplicas(scene, "worker", (wanted) => wanted > 0, WORKER_LIMIT_MS);
      kills = await killForMinutes(scene);
      await untilHealed(scene);
    } finally {
      clearInterval(tellLoad);
      await load.stop();
    }
    scene.mark("no more pods are killed");
    return [...judgeKills(kills), ...(await checkLoads(scene))];
  },
};

interface Kills {
  /** Pods, by their role or server. */
  killed: Record<string, number>;
  /** The longest time in which a server was not ready. */
  awaySeconds: number;
}

function judgeKills({ killed, awaySeconds }: Kills): Finding[] {
  const each = Object.entries(killed).map(([name, count]) => `${name} ${count}`);
  return [
    {
      what: "pods of every role and server are killed",
      isKept: [...ROLES, ...SERVERS].every((name) => (killed[name] ?? 0) > 0),
      seen: each.join(", "),
    },
    within("a server that was killed is ready again", awaySeconds, AWAY_SECONDS_MAX),
  ];
}

async function killForMinutes(scene: Scene): Promise<Kills> {
  const random = seededRandom(scene.seed);
  const untilMs = performance.now() + scene.killMinutes * 60_000;
  const killed: Record<string, number> = {};
  let awaySeconds = 0;
  let wholeAtMs = performance.now();
  while (performance.now() < untilMs) {
    await pause(PAUSE_MS.min + random() * (PAUSE_MS.max - PAUSE_MS.min), scene.signal);
    const victims = await lookForVictims(scene);
    if (isWhole(victims)) wholeAtMs = performance.now();
    awaySeconds = Math.max(awaySeconds, (performance.now() - wholeAtMs) / 1_000);
    const victim = drawVictim(victims, random);
    if (victim === undefined) continue;
    await killPod(scene, victim);
    killed[victim.of] = (killed[victim.of] ?? 0) + 1;
    scene.say(`  killed ${victim.pod}`);
  }
  return { killed, awaySeconds };
}

async function lookForVictims(scene: Scene): Promise<Victims> {
  const found = await Promise.all(
    [...ROLES, ...SERVERS].map(async (name): Promise<[string, string[]]> => {
      const pods = (await podsOf(scene, name)).filter(isReady);
      return [name, pods.map(({ metadata }) => metadata.name).toSorted()];
    }),
  );
  return new Map(found);
}

/**
 * A role's pod is gone from the API at once. Not so a server's: by force Kubernetes would start its successor
 * on the same volume while the old one may still write. It has a second.
 */
async function killPod({ kubectl, signal }: Scene, { of, pod }: { of: string; pod: string }) {
  const isServer = (SERVERS as readonly string[]).includes(of);
  const how = isServer ? ["--grace-period=1"] : ["--grace-period=0", "--force"];
  const command = ["--namespace", NAMESPACE, "delete", "pod", pod, ...how, "--wait=false"];
  await mustRun(kubectl([...command, "--ignore-not-found"], "", { signal }));
}

const untilHealed = (scene: Scene): Promise<true> =>
  until("all servers are ready", { limitMs: HEAL_LIMIT_MS, signal: scene.signal }, async () => {
    const victims = await lookForVictims(scene);
    return [...SERVERS, "gateway", "collector"].every((name) => victims.get(name)?.length)
      ? true
      : undefined;
  });
