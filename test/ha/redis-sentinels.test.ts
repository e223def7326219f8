import { afterAll, describe, expect } from "bun:test";

import { untilAccepting, untilCompleting } from "../faults/progress.ts";
import { type Scene, scenariosOnStack } from "../faults/scenarios.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { type SentinelGroup, startSentinelGroup } from "../support/redis-sentinel-group.ts";
import { serverUrls } from "../support/servers.ts";
import { watchAccepts } from "./gap.ts";

const REMOVE_LIMIT_MS = 30_000;
/** Sentinels take half a minute to make a replica of a master that was replaced and comes back. */
const limitMs = 180_000;
/**
 * A dead master is noticed within 2 s, here as in the group's configuration, the vote and the promotion take
 * two more, and clients look again within 2 s.
 */
const GAP_MAX_MS = 12_000;

// Where only containers run, there is no process to send a signal to.
describe.skipIf(!hasServerPrograms()).each([
  ["without TLS", false],
  ["with TLS", true],
])("with a master of Redis, two replicas and three Sentinels, %s", (_how, isEncrypted) => {
  let group: SentinelGroup | undefined;
  const scenario = scenariosOnStack(async () => {
    group = await startSentinelGroup({ isEncrypted });
    return {
      servers: serverUrls(),
      redis: group.settings,
      // If the audit mended the books meanwhile, it would hide that they had been wrong.
      settings: { keeper: { audit_interval_ms: 3_600_000 } },
    };
  });
  afterAll(() => group?.remove(), REMOVE_LIMIT_MS);

  /** Returns when requests are accepted again; what is done last, `back`, is done under load too. */
  async function failOver(
    scene: Scene,
    what: string,
    act: (on: SentinelGroup) => Promise<() => Promise<void>>,
  ): Promise<void> {
    if (group === undefined) throw new Error("Redis did not start");
    await untilCompleting(scene);
    const gap = watchAccepts(scene.load);
    const back = await act(group);
    await untilAccepting(scene);
    await back();
    await untilCompleting(scene);
    const gapMs = await gap.stop();
    process.stdout.write(`${what}: nothing was accepted for ${gapMs} ms\n`);
    expect(gapMs).toBeLessThan(GAP_MAX_MS);
  }

  scenario(
    "the master dies under load, twice, and comes back as a replica",
    async (scene) => {
      for (let times = 1; times <= 2; times += 1)
        await failOver(scene, "master killed", async (on) => {
          await on.killMaster();
          return on.revive;
        });
    },
    { limitMs },
  );

  scenario(
    "the master freezes under load, is replaced, and comes back as if nothing had happened",
    (scene) => failOver(scene, "master frozen", (on) => on.freezeMaster()),
    { limitMs },
  );

  scenario(
    "the master lives, but nobody reaches it any more, until it is back as one of two",
    (scene) => failOver(scene, "master cut off", (on) => on.cutMasterOff()),
    { limitMs },
  );
});
