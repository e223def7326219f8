import { afterAll, describe, expect } from "bun:test";

import { serverUrls } from "../support/servers.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import type { TestUser } from "../support/stack/users.ts";
import { untilAccepting, untilCompleting } from "./progress.ts";
import { type Scene, scenariosOnStack } from "./scenarios.ts";
import { type RedisPair, startRedisPair } from "./servers/redis-pair.ts";

const REMOVE_LIMIT_MS = 30_000;
const REFUSED_LIMIT_MS = 20_000;
/** Enough for the requests before the failover, and used up soon after it. */
const DAILY_REQUESTS = 400;

// Where only containers run, there is no process to send a signal to.
describe.skipIf(!hasServerPrograms())("with a master and a replica of Redis", () => {
  let started: RedisPair | undefined;
  const scenario = scenariosOnStack(async () => {
    started = await startRedisPair();
    return { servers: { ...serverUrls(), redis: started.url } };
  });
  afterAll(() => started?.remove(), REMOVE_LIMIT_MS);

  /** The newest writes die with the master; requests are accepted again when this returns. */
  async function failOver(scene: Scene): Promise<void> {
    if (started === undefined) throw new Error("Redis did not start");
    started.cutReplicaOff();
    await untilAccepting(scene);
    expect(await started.readLag()).toBeGreaterThan(0);
    await started.killMaster();
    await started.promoteReplica();
    await untilAccepting(scene);
    await started.returnAsReplica();
  }

  scenario(
    "the master of Redis dies under load before its newest writes are replicated, and the quotas are rebuilt",
    async (scene) => {
      await untilCompleting(scene);
      await failOver(scene);
      await untilCompleting(scene);
    },
  );

  let limited: TestUser | undefined;
  scenario(
    "a window admits no more than it has room for, although its counters died with the master",
    async (scene) => {
      await untilAccepting(scene);
      await failOver(scene);
      await untilTrue(
        "requests are over the quota",
        REFUSED_LIMIT_MS,
        () => scene.load.counts().refused > 50,
      );
    },
    {
      usersOf: async (stack) => {
        limited = await stack.addUser({ daily: { requests: DAILY_REQUESTS } });
        return [limited];
      },
      expectAlso: async (_report, { books }) => {
        const snapshot = await books.quota.read(limited?.userId ?? "");
        const used = snapshot?.windows.daily.used.requests ?? 0;
        expect(used).toBeGreaterThan(0);
        expect(used).toBeLessThanOrEqual(DAILY_REQUESTS);
      },
    },
  );
});
