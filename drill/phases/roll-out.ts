import { join } from "node:path";

import { mustRun } from "../../local/cluster/client.ts";
import { checkLoads } from "../judge/check-loads.ts";
import type { LoadTally } from "../load/agent-pod.ts";
import type { Finding, Phase } from "../phase.ts";
import { GATEWAY_URL, NAMESPACE, type Scene } from "../scene.ts";
import { pause } from "../until.ts";
import { podsOf, untilReplicas, untilRolledOut } from "../workload.ts";

const RATE_PER_SECOND = 20;
const SETTLE_MS = 10_000;
const WORKER_LIMIT_MS = 120_000;
/** What reads messages goes first, so that nothing has to wait for a reader; back in reverse. */
const ORDER = ["collector", "worker", "gateway"] as const;

export const rollOut: Phase = {
  name: "roll-out",
  title: "a new image is rolled out and back under load",
  run: async (scene) => {
    const historyPath = join(scene.folder, "roll-out.jsonl");
    const firstOp = scene.nextOps(historyPath);
    const pod = await scene.outside();
    const users = await scene.loadUsers();
    const load = pod.steady(
      { gateway: GATEWAY_URL, users, ratePerSecond: RATE_PER_SECOND, firstOp },
      historyPath,
    );
    const before = await scene.image();
    try {
      await untilReplicas(scene, "worker", (wanted) => wanted > 0, WORKER_LIMIT_MS);
      await pause(SETTLE_MS, scene.signal);
      const there = await roll(scene, `rolling out ${scene.nextImage}`, (role) => {
        return ["set", "image", `deployment/${role}`, `${role}=${scene.nextImage}`];
      });
      const running = await judgeImages(scene, scene.nextImage);
      await pause(SETTLE_MS, scene.signal);
      const back = await roll(
        scene,
        `rolling back to ${before}`,
        (role) => ["rollout", "undo", `deployment/${role}`],
        ORDER.toReversed(),
      );
      await pause(SETTLE_MS, scene.signal);
      await load.stop();
      return [
        running,
        { what: "it is rolled out and back", isKept: true, seen: `${there} s, ${back} s` },
        judgeCalls(load.tally()),
        ...(await checkLoads(scene)),
      ];
    } catch (error) {
      await load.stop().catch(() => {});
      throw error;
    }
  },
};

/** One role after the other; returns how long it took, seconds. */
async function roll(
  scene: Scene,
  title: string,
  command: (role: string) => readonly string[],
  order: readonly string[] = ORDER,
): Promise<number> {
  scene.mark(title);
  const startedMs = performance.now();
  for (const role of order) {
    await mustRun(scene.kubectl(["--namespace", NAMESPACE, ...command(role)]));
    await untilRolledOut(scene, `deployment/${role}`);
  }
  return Math.round((performance.now() - startedMs) / 1_000);
}

async function judgeImages(scene: Scene, image: string): Promise<Finding> {
  const pods = (await Promise.all(ORDER.map((role) => podsOf(scene, role)))).flat();
  const staying = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const others = staying.filter(
    ({ spec }) => !spec.containers.some((container) => container.image === image),
  );
  return {
    what: "every pod runs the new image",
    isKept: others.length === 0,
    seen: `${staying.length - others.length} of ${staying.length}`,
  };
}

function judgeCalls({ acknowledged, refused, unanswered }: LoadTally): Finding {
  const codes = Object.entries(refused).map(([code, count]) => `${count} ${code}`);
  return {
    what: "no call fails meanwhile",
    isKept: codes.length === 0 && unanswered === 0 && acknowledged > 0,
    seen: [`${acknowledged} accepted`, `${unanswered} without a reply`, ...codes].join(", "),
  };
}
