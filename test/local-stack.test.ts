import { expect, test } from "bun:test";
import { Redis } from "ioredis";
import postgres from "postgres";

import { queueDepths } from "../adapters/amqp/inspect.ts";
import { connectAmqp } from "../adapters/amqp/connection.ts";
import { isRunning, identifyProcess } from "../local/processes/process-identity.ts";
import { type Stack, startStack } from "../local/stack/stack.ts";
import { untilTrue } from "../local/stack/eventually.ts";
import { silentLog } from "../runtime/log.ts";
import { serverUrls } from "./support/servers.ts";
import { createApi } from "../history/api.ts";
import { makeUser } from "./support/stack/users.ts";
import { requirePepper } from "../core/config/pepper.ts";

const LIMIT_MS = 60_000;

async function hasDatabase(url: string): Promise<boolean> {
  const sql = postgres(serverUrls().postgres, { max: 1, onnotice: () => {} });
  const name = new URL(url).pathname.slice(1);
  try {
    return (await sql`select from pg_database where datname = ${name}`).length > 0;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function countKeys(url: string): Promise<number> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  try {
    return await redis.dbsize();
  } finally {
    redis.disconnect();
  }
}

async function countQueues({ urls, books }: Stack): Promise<number> {
  const broker = connectAmqp({
    url: urls.amqp,
    heartbeatSeconds: 10,
    name: "test",
    log: silentLog,
  });
  const names = books.queues.queues.map(({ name }) => name);
  try {
    await broker.whenUp(5_000);
    const depths = await queueDepths(broker, names);
    return names.filter((name) => depths.get(name) !== null).length;
  } finally {
    await broker.close();
  }
}

test(
  "a stack serves from one port of all gateways, starts a role when told to, and leaves nothing behind",
  async () => {
    const stack = await startStack({
      servers: serverUrls(),
      gateways: 2,
      sharesGatewayPort: true,
      notYet: ["worker"],
      settings: { default_tier: "unlimited" },
    });
    const identities = stack.components().flatMap((one) => identifyProcess(one.pid() ?? 0) ?? []);
    try {
      const user = await makeUser(stack.books.database, requirePepper(stack.config));
      const api = createApi(stack.url, user.apiKey);
      const { request_id: requestId } = await api.generate({ prompt: "hello", max_tokens: 16 });
      await untilTrue("the request waits in its queue", 10_000, async () => {
        return (await stack.books.depths())["inference_requests"] === 1;
      });
      await stack.startRole("worker");

      expect((await api.untilEnded(requestId)).status).toBe("completed");
      expect(stack.gateways.map(({ url }) => url)).toEqual([stack.url, stack.url]);
      expect(new Set(stack.gateways.map(({ metricsUrl }) => metricsUrl)).size).toBe(2);
    } finally {
      await stack.stop();
    }

    expect(identities.length).toBe(3);
    expect(identities.filter(isRunning)).toEqual([]);
    expect(await hasDatabase(stack.urls.postgres)).toBe(false);
    expect(await countKeys(stack.urls.redis)).toBe(0);
    expect(await countQueues(stack)).toBe(0);
  },
  LIMIT_MS,
);

test(
  "a stack of which one process cannot start says what that process wrote",
  async () => {
    const starting = startStack({
      servers: serverUrls(),
      env: { "worker-1": { TOLLGATE_WORKER__PREFETCH: "many" } },
    });

    const error: unknown = await starting.catch((reason: unknown) => reason);

    expect(String(error)).toContain("a stack did not start");
    expect(String(error)).toMatch(
      /── worker-1\nthe configuration is not valid:\n {2}worker\.prefetch/,
    );
  },
  LIMIT_MS,
);
