import { join } from "node:path";

import { afterAll, describe, expect } from "bun:test";
import type { Redis } from "ioredis";

import { booksKeys } from "../../adapters/redis/keys.ts";
import type { QuotaReply } from "../../gateway/http/schemas.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import { parseMetrics, sumOf } from "../../local/observe/prometheus-text.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { serverUrls } from "../support/servers.ts";
import type { TestUser } from "../support/stack/users.ts";
import { untilCompleting } from "./progress.ts";
import { type Scene, scenariosOnStack } from "./scenarios.ts";
import { prepareNode, type RedisNode, startNode, withClient } from "./servers/redis-node.ts";
import { makeServerHome } from "./servers/server-home.ts";

const SHOWN_LIMIT_MS = 5_000;
const EVICTING_LIMIT_MS = 30_000;
const USED_UP_LIMIT_MS = 10_000;
const USERS = 20;
/** Of each user; used up within seconds. */
const DAILY_REQUESTS = 30;
/** Refused requests: the users ask on after their quota is used up. */
const REFUSED_MIN = 300;
/** Lost keys of users that have to be seen. */
const LOST_MIN = 50;
const ROOM_BYTES = 2 * 1024 * 1024;
const OTHERS = { count: 200, bytes: 2_000 };

/** Keys of a user without which nobody may be admitted. */
function neededKeys({ userId }: TestUser): string[] {
  const { marker, counted, dailyRequestsLimit, monthlyTokensLimit, concurrentLimit } =
    booksKeys(userId);
  return [marker, counted, dailyRequestsLimit, monthlyTokensLimit, concurrentLimit];
}

async function limitMemory(client: Redis): Promise<void> {
  const used = Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))?.[1]);
  await client.config("SET", "maxmemory-policy", "allkeys-lru");
  await client.config("SET", "maxmemory", used + ROOM_BYTES);
}

/** Whether every process shows that Redis may evict keys. */
async function isShown({ stack }: Scene): Promise<boolean> {
  const shown = await Promise.all(
    stack.components().map(async ({ readMetrics }) => {
      const text = await readMetrics(SHOWN_LIMIT_MS);
      return sumOf(parseMetrics(text), "redis_may_forget", { cause: "eviction" });
    }),
  );
  return shown.every((value) => value === 1);
}

/** Writes what else lies in Redis until keys of users were seen missing and `isOver`. */
async function evict(client: Redis, users: TestUser[], isOver: () => boolean): Promise<void> {
  const needed = users.flatMap(neededKeys);
  let lost = 0;
  await untilTrue("keys are evicted and the quota is used up", EVICTING_LIMIT_MS, async () => {
    const writes = client.pipeline();
    for (let i = 0; i < OTHERS.count; i += 1)
      writes.set(`other:${crypto.randomUUID()}`, "x".repeat(OTHERS.bytes), "EX", 60);
    await writes.exec();
    lost += needed.length - (await client.exists(...needed));
    return lost >= LOST_MIN && isOver();
  });
  await client.config("SET", "maxmemory", 0);
}

// Where only containers run, there is no program to start another Redis with.
describe.skipIf(!hasServerPrograms())("with a Redis that evicts keys", () => {
  const home = makeServerHome();
  let node: RedisNode | undefined;
  const scenario = scenariosOnStack(async () => {
    const [port = 0] = await findFreePorts(1);
    node = await prepareNode(join(home.folder, "redis"), port, newPassword());
    await startNode(node);
    return { servers: { ...serverUrls(), redis: node.url } };
  });
  afterAll(async () => {
    await node?.process.kill();
    home.remove();
  });

  let users: TestUser[] = [];
  scenario(
    "whoever loses keys is neither locked out nor given more than the quota",
    async (scene) => {
      const refused = (): number => scene.load.counts().refused;
      await untilCompleting(scene);
      if (node === undefined) throw new Error("Redis did not start");
      await withClient(node, async (client) => {
        await limitMemory(client);
        await untilTrue("every process shows it", SHOWN_LIMIT_MS, () => isShown(scene));
        await evict(client, users, () => refused() > REFUSED_MIN);
      });
      await untilTrue("it is used up", USED_UP_LIMIT_MS, () => refused() > 2 * REFUSED_MIN);
    },
    {
      usersOf: async (stack) => {
        const wish = { daily: { requests: DAILY_REQUESTS } };
        users = await Promise.all(Array.from({ length: USERS }, () => stack.addUser(wish)));
        return users;
      },
      expectAlso: async ({ states }, stack) => {
        expect(states).toEqual({ completed: USERS * DAILY_REQUESTS });
        for (const user of users) {
          const { body } = await stack.api(user).call<QuotaReply>("/quota");
          expect(body.windows.daily.requests.used).toBe(DAILY_REQUESTS);
        }
        // Only now, because of a user who lacks keys an audit says nothing.
        const { differences, holdsOpen } = await stack.books.audit();
        expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
      },
    },
  );
});
