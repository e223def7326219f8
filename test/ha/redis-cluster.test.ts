import { afterAll, describe, expect } from "bun:test";

import { userKey } from "../../adapters/redis/keys.ts";
import { slotOf } from "../../adapters/redis/slots.ts";
import { countRefused, untilAccepting, untilCompleting } from "../faults/progress.ts";
import { type Scene, scenariosOnStack } from "../faults/scenarios.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { type ClusterGroup, startClusterGroup } from "../support/redis-cluster-group.ts";
import { serverUrls } from "../support/servers.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";
import { watchAccepts, watchQuota } from "./gap.ts";

const REMOVE_LIMIT_MS = 30_000;
const limitMs = 180_000;
/** As with Sentinels: the nodes of the group notice a death within 2 s. */
const GAP_MAX_MS = 12_000;
/** Of users of other masters: less than a failover takes. */
const UNTOUCHED_MAX_MS = 2_500;
const MASTERS = 3;

/** A user of each master, as they are now. */
async function usersOfAllMasters(stack: TestStack, group: ClusterGroup): Promise<TestUser[]> {
  const found = new Map<number, TestUser>();
  while (found.size < MASTERS) {
    const user = await stack.addUser();
    const { port } = await group.masterOf(slotOf(userKey(user.userId)));
    found.set(port, user);
  }
  return [...found.values()];
}

describe.skipIf(!hasServerPrograms()).each([
  ["without TLS", false],
  ["with TLS", true],
])("with a cluster of three masters of Redis and three replicas, %s", (_how, isEncrypted) => {
  let group: ClusterGroup | undefined;
  let users: TestUser[] = [];
  async function usersOf(stack: TestStack): Promise<TestUser[]> {
    if (group === undefined) throw new Error("Redis did not start");
    users = await usersOfAllMasters(stack, group);
    return users;
  }
  const scenario = scenariosOnStack(async () => {
    group = await startClusterGroup({ isEncrypted });
    return {
      servers: serverUrls(),
      redis: group.settings,
      settings: { keeper: { audit_interval_ms: 3_600_000 } },
    };
  });
  afterAll(() => group?.remove(), REMOVE_LIMIT_MS);

  scenario(
    "slots with users move to another master under load, and no call is refused for it",
    async (scene) => {
      if (group === undefined) throw new Error("Redis did not start");
      await untilCompleting(scene);
      const gap = watchAccepts(scene.load);
      const before = await countRefused(scene.stack, "QUOTA_UNAVAILABLE");
      // Some users of the first master move with them, and some do not.
      await group.reshard(2_000);
      await untilCompleting(scene);
      const gapMs = await gap.stop();
      process.stdout.write(`slots moved: nothing was accepted for ${gapMs} ms\n`);
      expect(gapMs).toBeLessThan(UNTOUCHED_MAX_MS);
      expect(await countRefused(scene.stack, "QUOTA_UNAVAILABLE")).toBe(before);
    },
    { limitMs, usersOf: (stack) => Promise.all(Array.from({ length: 12 }, () => stack.addUser())) },
  );

  /** One master is away, under load; its users alone notice. */
  async function failOver(
    scene: Scene,
    what: string,
    act: (on: ClusterGroup, slot: number) => Promise<() => Promise<void>>,
  ): Promise<void> {
    const [, , last] = users;
    if (group === undefined || last === undefined) throw new Error("there is no cluster");
    await untilCompleting(scene);
    const gap = watchAccepts(scene.load);
    const gaps = users.map((user) => watchQuota(scene.stack.api(user)));
    const back = await act(group, slotOf(userKey(last.userId)));
    await untilAccepting(scene);
    await back();
    await untilCompleting(scene);
    const [first = 0, second = 0, third = 0] = await Promise.all(gaps.map((one) => one.stop()));
    const gapMs = await gap.stop();
    process.stdout.write(
      `${what}: nothing was accepted for ${gapMs} ms; without an answer were its user ${third} ms, ` +
        `those of the others ${first} and ${second} ms\n`,
    );
    expect(gapMs).toBeLessThan(UNTOUCHED_MAX_MS);
    expect(Math.max(first, second)).toBeLessThan(UNTOUCHED_MAX_MS);
    expect(third).toBeGreaterThan(0);
    expect(third).toBeLessThan(GAP_MAX_MS);
  }

  scenario(
    "a master dies under load, and only its own users wait for its replica",
    (scene) =>
      failOver(scene, "a master killed", async (on, slot) => {
        await on.killMasterOf(slot);
        return on.revive;
      }),
    { limitMs, usersOf },
  );

  scenario(
    "a master freezes under load, is replaced, and comes back as if nothing had happened",
    (scene) => failOver(scene, "a master frozen", (on, slot) => on.freezeMasterOf(slot)),
    { limitMs, usersOf },
  );
});
