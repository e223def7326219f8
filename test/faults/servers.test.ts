import { afterAll, describe, expect } from "bun:test";

import postgres from "postgres";

import type { ServerName } from "../../local/servers/binaries.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import {
  hasServerPrograms,
  type PrivateServers,
  startServersToWreck,
} from "../support/private-servers.ts";
import { untilAccepting } from "./progress.ts";
import { type Scene, scenariosOnStack } from "./scenarios.ts";

const REMOVE_LIMIT_MS = 30_000;
/** Longer than every limit of the processes, so that each of them runs into it. */
const FROZEN_MS = 4_000;
const TITLES: Record<ServerName, string> = {
  postgres: "PostgreSQL",
  redis: "Redis",
  rabbitmq: "RabbitMQ",
};
const SERVERS = Object.keys(TITLES) as ServerName[];

/** Files below a folder that contain a text. */
async function filesWith(folder: string, text: string): Promise<string[]> {
  const search = Bun.spawn(["grep", "-rlaF", "--", text, folder], { stderr: "ignore" });
  const found = await new Response(search.stdout).text();
  return found.split("\n").filter((path) => path !== "");
}

// Where only containers run, there is no process to send a signal to.
describe.skipIf(!hasServerPrograms())("with the programs of the servers on this machine", () => {
  let started: PrivateServers | undefined;
  const scenario = scenariosOnStack(async () => {
    started = await startServersToWreck();
    return { servers: started.urls };
  });
  afterAll(() => started?.remove(), REMOVE_LIMIT_MS);

  function servers(): PrivateServers {
    if (started === undefined) throw new Error("the servers did not start");
    return started;
  }

  const untilRunning = ({ load }: Scene): Promise<void> =>
    untilTrue("the load runs", 5_000, () => load.counts().acknowledged > 50);

  async function setReadOnly(value: "on" | "off"): Promise<void> {
    const sql = postgres(servers().urls.postgres, { max: 1 });
    await sql`set default_transaction_read_only = off`;
    await sql.unsafe(`alter system set default_transaction_read_only = ${value}`);
    await sql`select pg_reload_conf()`;
    await sql.end();
  }

  for (const name of SERVERS) {
    scenario(`${TITLES[name]} restarts in order under load, and nothing is lost`, async (scene) => {
      await untilRunning(scene);
      await servers().end(name, "in order");
      await Bun.sleep(500);
      await servers().start();
      await untilAccepting(scene);
    });

    scenario(`${TITLES[name]} crashes under load, and nothing is lost`, async (scene) => {
      await untilRunning(scene);
      await servers().end(name, "crash");
      await Bun.sleep(500);
      await servers().start();
      await untilAccepting(scene);
    });

    scenario(`${TITLES[name]} freezes under load, and nothing hangs or is lost`, async (scene) => {
      await untilRunning(scene);
      servers().freeze(name);
      await Bun.sleep(FROZEN_MS);
      servers().thaw(name);
      await untilAccepting(scene);
    });
  }

  scenario(
    "Redis forgets its data and its scripts under load, and the quotas are rebuilt",
    async (scene) => {
      await untilRunning(scene);
      const { redis } = scene.stack.books;
      await redis.run(({ client }) => client.flushall());
      await untilAccepting(scene);
      await redis.run(({ client }) => client.script("FLUSH"));
      await untilAccepting(scene);
      await redis.run(({ client }) => client.flushall());
      await untilAccepting(scene);
    },
  );

  scenario("Redis is full and refuses to write, and nothing passes unmetered", async (scene) => {
    await untilRunning(scene);
    const { redis } = scene.stack.books;
    await redis.run(({ client }) => client.config("SET", "maxmemory", "1"));
    await Bun.sleep(1_000);
    const before = scene.load.counts().acknowledged;
    await Bun.sleep(1_000);
    expect(scene.load.counts().acknowledged).toBe(before);
    await redis.run(({ client }) => client.config("SET", "maxmemory", "0"));
    await untilAccepting(scene);
  });

  scenario(
    "PostgreSQL takes no writes for a while, and nothing is accepted that is not stored",
    async (scene) => {
      await untilRunning(scene);
      await setReadOnly("on");
      await Bun.sleep(2_000);
      await setReadOnly("off");
      await untilAccepting(scene);
    },
  );

  scenario("the requests are locked longer than any statement may take", async (scene) => {
    await untilRunning(scene);
    const sql = postgres(scene.stack.urls.postgres, { max: 1 });
    await sql.begin(async (locking) => {
      await locking`lock table requests in access exclusive mode`;
      await Bun.sleep(FROZEN_MS);
    });
    await sql.end();
    await untilAccepting(scene);
  });

  const canary = `canary-${crypto.randomUUID()}`;
  scenario(
    "no file of any server holds a prompt in plain words",
    async (scene) => {
      await untilRunning(scene);
      // RabbitMQ writes out what is in its queues as well.
      for (const worker of scene.stack.workers) worker.signal("SIGSTOP");
      await Bun.sleep(500);
      const { folder } = servers();
      expect(await filesWith(folder, canary)).toEqual([]);
      expect((await filesWith(folder, "inference_requests")).length).toBeGreaterThan(0);
      for (const worker of scene.stack.workers) worker.signal("SIGCONT");
    },
    { promptOf: (op) => `${canary} ${op}`, expectAlso: () => {} },
  );

  scenario(
    "Redis comes back with data of some time ago, and the quotas are rebuilt",
    async (scene) => {
      await untilRunning(scene);
      servers().saveRedis();
      await Bun.sleep(1_000);
      await servers().end("redis", "crash");
      servers().restoreRedis();
      await servers().start();
      await untilAccepting(scene);
    },
  );

  scenario(
    "the queues are purged under load, and the requests are published again",
    async (scene) => {
      await untilRunning(scene);
      const { stack } = scene;
      for (const worker of stack.workers) worker.signal("SIGSTOP");
      // More than the workers prefetch.
      await untilTrue("messages wait in the queue", 5_000, async () => {
        const depths = await stack.books.depths();
        return (depths["inference_requests"] ?? 0) > 20;
      });
      const { broker, queues } = stack.books;
      const { name } = queues.requests;
      const purged = await broker.withChannel((channel) => channel.purgeQueue(name));
      for (const worker of stack.workers) worker.signal("SIGCONT");
      expect(purged.messageCount).toBeGreaterThan(0);
    },
    { ratePerSecond: 200 },
  );

  scenario(
    "results are purged before they are collected, and their requests end nevertheless",
    async (scene) => {
      await untilRunning(scene);
      const { stack } = scene;
      for (const collector of stack.collectors) await collector.kill();
      await untilTrue("results wait in the queue", 5_000, async () => {
        const depths = await stack.books.depths();
        return (depths["inference_results"] ?? 0) > 20;
      });
      const { broker, queues } = stack.books;
      const { name } = queues.results;
      await broker.withChannel((channel) => channel.purgeQueue(name));
    },
  );

  scenario(
    "RabbitMQ takes nothing for want of memory: requests are accepted, and run once it does",
    async (scene) => {
      await untilRunning(scene);
      await servers().rabbitmqctl("set_vm_memory_high_watermark", "0.00001");
      const before = scene.load.counts().acknowledged;
      await untilTrue("requests are accepted meanwhile", 5_000, async () => {
        const { unconfirmed } = await scene.stack.books.database
          .run(
            "read the outboxes",
            (sql) => sql<[{ unconfirmed: number }]>`
            select coalesce(sum(unconfirmed), 0)::integer as unconfirmed from publishers`,
          )
          .then(([row]) => row);
        return unconfirmed > 50 && scene.load.counts().acknowledged > before + 50;
      });
      await servers().rabbitmqctl("set_vm_memory_high_watermark", "0.4");
    },
  );
});
