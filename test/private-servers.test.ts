import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import postgres from "postgres";

import { pingRedis } from "../adapters/ping.ts";
import { statePaths } from "../adapters/state/paths.ts";
import { isRunning } from "../local/processes/process-identity.ts";
import { signalProcess, waitForEnd } from "../local/processes/processes.ts";
import { untilTrue } from "../local/stack/eventually.ts";
import { localRevivals, superviseServer } from "../local/supervision/supervise-server.ts";
import { createProgress } from "../adapters/terminal/progress.ts";
import { findBinaries } from "../local/servers/binaries.ts";
import {
  LOCAL_SERVERS,
  readLocalState,
  startLocalServers,
  stopLocalServers,
} from "../local/servers/local.ts";

const searchPath = process.env["PATH"] ?? "";
// Where Docker runs the servers of the tests, they need not be installed.
const isInstalled = Object.keys(findBinaries(searchPath)).length === LOCAL_SERVERS.length;

const folder = mkdtempSync(join(tmpdir(), "tollgate-servers-"));
const paths = statePaths(folder);
const silent = createProgress({ write: () => {} });
const start = () => startLocalServers(paths, silent, searchPath);

const processes = () =>
  LOCAL_SERVERS.flatMap(({ name }) => readLocalState(paths, name)?.processes ?? []).map(
    ({ identity }) => identity,
  );

/** Processes of this machine whose command line or folder is below ours, whoever started them. */
function processesBelow(path: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(path);
      } catch {
        return false;
      }
    });
}

const failureOf = async (promise: PromiseLike<unknown>): Promise<string> => {
  try {
    await promise;
    return "none";
  } catch (error) {
    return String(error);
  }
};

afterAll(async () => {
  await stopLocalServers(paths);
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!isInstalled)("a private set of servers", () => {
  test("is started, kept while it runs, mended where it was killed, and stopped completely", async () => {
    const urls = await start();
    const started = processes();
    await start();
    expect(processes()).toEqual(started);

    const redis = readLocalState(paths, "redis")?.processes[0]?.identity;
    if (redis === undefined) throw new Error("no Redis was noted");
    signalProcess(redis, "SIGKILL");
    await waitForEnd(redis, 5_000);
    expect(await start()).toEqual(urls);
    await pingRedis(urls.redis, 2_000);

    const ended = processes();
    await stopLocalServers(paths);
    expect(ended.filter(isRunning)).toEqual([]);
    expect(processesBelow(folder)).toEqual([]);
  }, 120_000);

  test("takes another port when somebody else has taken the one it had", async () => {
    await start();
    const port = readLocalState(paths, "redis")?.ports["redis"] ?? 0;
    await stopLocalServers(paths);
    const other = Bun.serve({ port, hostname: "127.0.0.1", fetch: () => new Response() });

    const urls = await start();
    await other.stop(true);

    expect(new URL(urls.redis).port).not.toBe(String(port));
    await stopLocalServers(paths);
  }, 120_000);

  test("keeps its data over a stop, lets nobody in without the password, and hides its secrets", async () => {
    const first = await start();
    const before = postgres(first.postgres, { max: 1 });
    await before`create table kept as select 1 as one`;
    await before.end();
    await stopLocalServers(paths);

    const again = await start();
    const after = postgres(again.postgres, { max: 1 });
    expect(await after`select one from kept`).toHaveLength(1);
    await after.end();

    const withoutPassword = new URL(again.redis);
    withoutPassword.password = "";
    expect(await failureOf(pingRedis(withoutPassword.toString(), 2_000))).toContain("NOAUTH");
    const stranger = postgres(again.postgres, { max: 1, password: "wrong" });
    expect(await failureOf(stranger`select 1`)).toContain("password authentication failed");
    await stranger.end();
    for (const { name } of LOCAL_SERVERS)
      expect(statSync(join(paths.servers, `${name}.json`)).mode & 0o077).toBe(0);
    await stopLocalServers(paths);
  }, 120_000);

  test("is started again where it was, with its data, when one of it ends by itself", async () => {
    const urls = await start();
    const sql = postgres(urls.postgres, { max: 1 });
    await sql`create table if not exists survived as select 1 as one`;
    await sql.end();
    const supervised = localRevivals(paths, searchPath).map((revival) =>
      superviseServer(revival, () => {}),
    );
    const restartsOf = (name: string): number =>
      supervised.map(({ status }) => status()).find((status) => status.name === name)?.restarts ??
      0;
    try {
      for (const name of ["postgres", "redis", "rabbitmq"] as const) {
        const before = readLocalState(paths, name);
        const main = before?.processes.find((one) => one.name === name)?.identity;
        if (main === undefined) throw new Error(`${name} does not run`);
        signalProcess(main, "SIGKILL");
        await untilTrue(`${name} runs again`, 60_000, () => restartsOf(name) > 0);
      }
      await untilTrue("all answer", 60_000, () =>
        supervised.every(({ status }) => status().state === "running"),
      );
    } finally {
      await Promise.all(supervised.map((one) => one.stop()));
    }

    // "Still running": the same URLs, and nothing was started now.
    const again = processes();
    expect(await start()).toEqual(urls);
    expect(processes()).toEqual(again);
    const after = postgres(urls.postgres, { max: 1 });
    expect(await after`select one from survived`).toHaveLength(1);
    await after.end();
    await stopLocalServers(paths);
  }, 180_000);

  test("is started again only as far as it ended: what still runs of a server goes on", async () => {
    await start();
    const [epmd, rabbitmq] = readLocalState(paths, "rabbitmq")?.processes ?? [];
    if (epmd === undefined || rabbitmq === undefined) throw new Error("RabbitMQ does not run");
    const supervised = localRevivals(paths, searchPath)
      .filter(({ name }) => name === "rabbitmq")
      .map((revival) => superviseServer(revival, () => {}));

    signalProcess(epmd.identity, "SIGKILL");
    await untilTrue("it was started again", 30_000, () =>
      supervised.every(({ status }) => status().restarts > 0 && status().state === "running"),
    );
    await Promise.all(supervised.map((one) => one.stop()));

    const now = readLocalState(paths, "rabbitmq")?.processes ?? [];
    expect(now.find(({ name }) => name === "rabbitmq")).toEqual(rabbitmq);
    expect(now.find(({ name }) => name === "epmd")?.identity).not.toEqual(epmd.identity);
    await stopLocalServers(paths);
    expect(processesBelow(folder)).toEqual([]);
  }, 120_000);
});
