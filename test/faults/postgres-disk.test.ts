import { afterAll, describe, expect } from "bun:test";

import postgres from "postgres";

import { serverUrls } from "../support/servers.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { untilAccepting, untilCompleting, untilRefusing } from "./progress.ts";
import { scenariosOnStack } from "./scenarios.ts";
import {
  type PostgresOnSmallDisk,
  startPostgresOnSmallDisk,
} from "./servers/postgres-on-small-disk.ts";
import { smallDiskProblem } from "./servers/small-disk.ts";

const REMOVE_LIMIT_MS = 30_000;
const DEATH_LIMIT_MS = 30_000;
/** Longer than every limit of the processes, so that each of them runs into it. */
const FULL_MS = 3_000;

const problem = hasServerPrograms()
  ? smallDiskProblem()
  : "the programs of the servers are not here";
if (problem !== undefined) console.warn(`SKIPPED, PostgreSQL on a full disk: ${problem}`);

describe.skipIf(problem !== undefined)("with PostgreSQL on a disk of its own", () => {
  let started: PostgresOnSmallDisk | undefined;
  const scenario = scenariosOnStack(async () => {
    started = await startPostgresOnSmallDisk();
    return { servers: { ...serverUrls(), postgres: started.url } };
  });
  afterAll(() => started?.remove(), REMOVE_LIMIT_MS);

  function server(): PostgresOnSmallDisk {
    if (started === undefined) throw new Error("PostgreSQL did not start");
    return started;
  }

  /** Runs `act` with a full disk; there is room again when this has ended, however it ended. */
  async function whileFull(act: () => Promise<void>): Promise<void> {
    const { disk } = server();
    disk.fill();
    try {
      await act();
    } finally {
      disk.makeRoom();
    }
  }

  /** What is written next needs another file of the log. */
  async function beginNextLogFile(): Promise<void> {
    const sql = postgres(server().url, { max: 1, connect_timeout: 2, onnotice: () => {} });
    try {
      await sql`select pg_switch_wal()`;
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  /** What the server has written into its log since. */
  function logSince(length: number): string {
    return server().process.log().slice(length);
  }

  scenario(
    "PostgreSQL has no room for more rows under load: what cannot be stored is refused, and nothing is lost",
    async (scene) => {
      const { process } = server();
      // When a file of the log has just begun, the tables need room first.
      await beginNextLogFile();
      await untilCompleting(scene);
      const logged = process.log().length;
      await whileFull(async () => {
        await untilRefusing(scene, "STORE_UNSURE");
        await Bun.sleep(FULL_MS);
      });
      expect(process.isRunning()).toBe(true);
      expect(logSince(logged)).toContain("could not extend file");
      await untilAccepting(scene);
      await untilCompleting(scene);
    },
    { ratePerSecond: 200 },
  );

  scenario(
    "PostgreSQL dies for lack of room for its log: it accepts nothing meanwhile, and nothing is lost",
    async (scene) => {
      const { process, start } = server();
      await untilCompleting(scene);
      const logged = process.log().length;
      await whileFull(async () => {
        await untilTrue("PostgreSQL has died of it", DEATH_LIMIT_MS, async () => {
          // The server may take the statement or die of it: only its end counts.
          await beginNextLogFile().catch(() => {});
          return !process.isRunning();
        });
        const before = scene.load.counts().acknowledged;
        await Bun.sleep(FULL_MS);
        expect(scene.load.counts().acknowledged).toBe(before);
      });
      expect(logSince(logged)).toMatch(/PANIC: .* No space left on device/);
      await start();
      await untilAccepting(scene);
      await untilCompleting(scene);
    },
    { ratePerSecond: 200 },
  );
});
