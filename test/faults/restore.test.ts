import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { untilTrue } from "../../local/stack/eventually.ts";
import {
  hasServerPrograms,
  type PrivateServers,
  startServersToWreck,
} from "../support/private-servers.ts";
import { type TestStack, startTestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";
import { violationsOf } from "../../history/check.ts";
import { type Load, startLoad } from "../../history/load.ts";
import { formatReport } from "../../history/report.ts";
import { createRuns, type Runs } from "./run.ts";

const START_LIMIT_MS = 90_000;
const TEST_LIMIT_MS = 90_000;
/** Long enough that some requests are always under way. */
const SLOW_MS = 1_200;
/** Numbers of operations that have no history. */
const FORGOTTEN_OPS = 1_000_000;

// Where only containers run, the test cannot freeze a server to copy its files.
describe.skipIf(!hasServerPrograms())("with the programs of the servers on this machine", () => {
  const undo: (() => Promise<unknown> | void)[] = [];
  let world: { servers: PrivateServers; stack: TestStack; runs: Runs } | undefined;
  beforeAll(async () => {
    const servers = await startServersToWreck();
    undo.push(servers.remove);
    const stack = await startTestStack({
      servers: servers.urls,
      gateways: 2,
      workers: 2,
      collectors: 2,
    });
    undo.push(stack.stop);
    const runs = createRuns(stack);
    undo.push(runs.close);
    world = { servers, stack, runs };
  }, START_LIMIT_MS);
  afterAll(async () => {
    for (const step of undo.toReversed()) await step();
  }, START_LIMIT_MS);

  test(
    "PostgreSQL is set back, Redis empty, RabbitMQ ahead: earlier requests are billed once, later ones never",
    async () => {
      if (world === undefined) throw new Error("the stack did not start");
      const { servers, stack, runs } = world;
      const users = [await stack.addUser(), await stack.addUser()];

      const report = await runs.underLoad(
        { usersOf: async () => users, readEvery: FORGOTTEN_OPS },
        async (load) => {
          await stack.simulator.set({ ttft_ms: SLOW_MS });
          await untilAccepted(load, 200);
          await load.stop();
          copyPostgres(servers);

          await stack.simulator.set({ ttft_ms: 0 });
          const forgotten = startForgottenLoad(stack, users);
          await untilAccepted(forgotten, 200);
          await stack.simulator.set({ ttft_ms: SLOW_MS });
          await untilAccepted(forgotten, 300);
          await forgotten.stop();
          await Promise.all(stack.components().map((component) => component.kill()));
          await untilTrue("RabbitMQ has what will be forgotten", 10_000, async () => {
            const depths = await stack.books.depths();
            return (depths["inference_requests"] ?? 0) > 20;
          });
          await restorePostgres(servers);
          await stack.books.redis.run(({ client }) => client.flushall());
          await stack.simulator.set({ ttft_ms: 0 });

          // They have ended since, and are open again now.
          expect(await countQueued(stack)).toBeGreaterThan(50);
          await Promise.all(stack.components().map((component) => component.start()));
        },
      );
      process.stdout.write(`${formatReport(report)}\n`);
      if (violationsOf(report).length > 0) process.stderr.write(`${stack.logTail()}\n`);

      expect(violationsOf(report)).toEqual([]);
      expect(Object.keys(report.states)).toEqual(["completed"]);
      const after = await runs.underLoad({ usersOf: async () => users }, (load) =>
        untilAccepted(load, 100),
      );
      expect(violationsOf(after)).toEqual([]);
    },
    TEST_LIMIT_MS,
  );
});

const untilAccepted = (load: Load, count: number): Promise<void> =>
  untilTrue(`${count} are accepted`, 15_000, () => load.counts().acknowledged >= count);

/** A load in the time that the restore will undo. */
const startForgottenLoad = ({ gateways }: TestStack, users: readonly TestUser[]): Load =>
  startLoad({
    gateways: gateways.map(({ url }) => url),
    users,
    ratePerSecond: 100,
    firstOp: FORGOTTEN_OPS + 1,
    readEvery: FORGOTTEN_OPS * 10,
    history: { write: () => {} },
  });

const dataOf = ({ folder }: PrivateServers): string => join(folder, "postgres", "data");
const copyOf = (servers: PrivateServers): string => `${dataOf(servers)}.copy`;

/** The files of one instant, as after a crash. */
function copyPostgres(servers: PrivateServers): void {
  servers.freeze("postgres");
  try {
    copy(dataOf(servers), copyOf(servers));
  } finally {
    servers.thaw("postgres");
  }
}

async function restorePostgres(servers: PrivateServers): Promise<void> {
  await servers.end("postgres", "in order");
  rmSync(dataOf(servers), { recursive: true });
  copy(copyOf(servers), dataOf(servers));
  rmSync(join(dataOf(servers), "postmaster.pid"));
  await servers.start();
}

function copy(from: string, to: string): void {
  const run = Bun.spawnSync(["cp", "-a", from, to]);
  if (!run.success) throw new Error(run.stderr.toString());
}

async function countQueued({ books }: TestStack): Promise<number> {
  const [row] = await books.database.run(
    "count the open",
    (sql) => sql<{ count: number }[]>`select count(*) from requests where status = 'queued'`,
  );
  return row?.count ?? 0;
}
