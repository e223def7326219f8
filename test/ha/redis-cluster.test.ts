import { afterAll, describe, expect } from "bun:test";

import { userKey } from "../../adapters/redis/keys.ts";
import { slotOf } from "../../adapters/redis/slots.ts";
import { untilAccepting, untilCompleting } from "../faults/progress.ts";
import { scenariosOnStack } from "../faults/scenarios.ts";
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
/** Of users of other masters: less than it takes to notice a death. */
const UNTOUCHED_MAX_MS = 1_500;
/** The masters of a new cluster have these parts of the slots. */
const SHARDS = 3;
const shardOf = ({ userId }: TestUser): number =>
  Math.floor((slotOf(userKey(userId)) * SHARDS) / 16_384);

/** A user of each master. */
async function usersOfAllShards(stack: TestStack): Promise<TestUser[]> {
  const found = new Map<number, TestUser>();
  while (found.size < SHARDS) {
    const user = await stack.addUser();
    found.set(shardOf(user), user);
  }
  return [...found].toSorted(([a], [b]) => a - b).map(([, user]) => user);
}

describe.skipIf(!hasServerPrograms()).each([
  ["without TLS", false],
  ["with TLS", true],
])("with a cluster of three masters of Redis and three replicas, %s", (_how, isEncrypted) => {
  let group: ClusterGroup | undefined;
  let users: TestUser[] = [];
  const usersOf = async (stack: TestStack): Promise<TestUser[]> =>
    (users = await usersOfAllShards(stack));
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
      // Some users of the first master move with them, and some do not.
      await group.reshard(2_000);
      await untilCompleting(scene);
      const gapMs = await gap.stop();
      process.stdout.write(`slots moved: nothing was accepted for ${gapMs} ms\n`);
      expect(gapMs).toBeLessThan(UNTOUCHED_MAX_MS);
    },
    { limitMs, usersOf: (stack) => Promise.all(Array.from({ length: 12 }, () => stack.addUser())) },
  );

  scenario(
    "a master dies under load, and only its own users wait for its replica",
    async (scene) => {
      if (group === undefined) throw new Error("Redis did not start");
      await untilCompleting(scene);
      const gap = watchAccepts(scene.load);
      const [, , last] = users;
      const gaps = users.map((user) => watchQuota(scene.stack.api(user)));
      if (last === undefined) throw new Error("there is no user of the last master");
      await group.killMasterOf(slotOf(userKey(last.userId)));
      await untilAccepting(scene);
      await group.revive();
      await untilCompleting(scene);
      const [first, second, third] = await Promise.all(gaps.map((one) => one.stop()));
      const gapMs = await gap.stop();
      process.stdout.write(
        `a master killed: nothing was accepted for ${gapMs} ms; without an answer were its user ` +
          `${third} ms, those of the others ${first} and ${second} ms\n`,
      );
      expect(gapMs).toBeLessThan(UNTOUCHED_MAX_MS);
      expect(Math.max(first ?? Infinity, second ?? Infinity)).toBeLessThan(UNTOUCHED_MAX_MS);
      expect(third).toBeLessThan(GAP_MAX_MS);
    },
    { limitMs, usersOf },
  );
});
