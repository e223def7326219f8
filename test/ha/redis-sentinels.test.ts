import { afterAll, describe } from "bun:test";

import { type Scene, scenariosOnStack } from "../faults/scenarios.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { type SentinelGroup, startSentinelGroup } from "../support/redis-sentinel-group.ts";
import { serverUrls } from "../support/servers.ts";
import { failOver } from "./fail-over.ts";

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

  function without(
    scene: Scene,
    what: string,
    act: (on: SentinelGroup) => Promise<() => Promise<void>>,
  ): Promise<void> {
    const on = group;
    if (on === undefined) throw new Error("Redis did not start");
    return failOver(scene, { what, act: () => act(on), gapMaxMs: GAP_MAX_MS });
  }

  scenario(
    "the master dies under load, twice, and comes back as a replica",
    async (scene) => {
      for (let times = 1; times <= 2; times += 1)
        await without(scene, "master killed", async (on) => {
          await on.killMaster();
          return on.revive;
        });
    },
    { limitMs },
  );

  scenario(
    "the master freezes under load, is replaced, and comes back as if nothing had happened",
    (scene) => without(scene, "master frozen", (on) => on.freezeMaster()),
    { limitMs },
  );

  scenario(
    "the master lives, but nobody reaches it any more, until it is back as one of two",
    (scene) => without(scene, "master cut off", (on) => on.cutMasterOff()),
    { limitMs },
  );
});
