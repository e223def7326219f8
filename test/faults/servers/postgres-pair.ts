import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

import postgres from "postgres";

import { findFreePorts } from "../../../local/processes/ports.ts";
import { newPassword } from "../../../local/servers/password.ts";
import { findUnprivileged } from "../../../local/servers/unprivileged.ts";
import { untilTrue } from "../../../local/stack/eventually.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { preparePostgres } from "./postgres-node.ts";
import { makeServerHome, requireBinaries } from "./server-home.ts";

/**
 * A primary of PostgreSQL and a standby that streams from it. A commit waits until the standby has it on its
 * disk.
 */
export interface PostgresPair {
  /** One address, which leads to the primary. */
  url: string;
  /** Kills the primary with all its backends. */
  killPrimary: () => Promise<void>;
  /** Makes the standby the primary, alone, and leads the address to it. */
  promoteStandby: () => Promise<void>;
  remove: () => Promise<void>;
}

const IN_STEP_LIMIT_MS = 30_000;
const PROMOTE_LIMIT_SECONDS = 30;

export async function startPostgresPair(): Promise<PostgresPair> {
  const home = makeServerHome();
  const password = newPassword();
  const [primaryPort = 0, standbyPort = 0] = await findFreePorts(2);
  const settingsOf = (name: string, port: number) => {
    const folder = join(home.folder, name);
    mkdirSync(folder);
    return { folder, ports: { postgres: port }, password };
  };
  const undo: (() => Promise<void>)[] = [];
  const remove = async (): Promise<void> => {
    for (const step of undo.toReversed()) await step();
    home.remove();
  };
  try {
    const primary = await preparePostgres(settingsOf("primary", primaryPort));
    undo.push(primary.process.kill);
    await primary.start();
    const standbySettings = settingsOf("standby", standbyPort);
    copyDataFolder(primary.url, standbySettings.folder);
    const standby = await preparePostgres(standbySettings);
    undo.push(standby.process.kill);
    await standby.start();
    await waitForStandbyAtCommit(primary.url);
    const address = await startTcpProxy(primary.url);
    undo.push(address.stop);

    return {
      url: address.url,
      killPrimary: primary.process.kill,
      promoteStandby: async () => {
        await withClient(
          standby.url,
          (sql) => sql`select pg_promote(true, ${PROMOTE_LIMIT_SECONDS})`,
        );
        address.leadTo(standby.url);
      },
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function withClient<Answer>(
  url: string,
  use: (sql: postgres.Sql) => PromiseLike<Answer>,
): Promise<Answer> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** A copy of a running server's data, told to follow it. */
function copyDataFolder(primaryUrl: string, folder: string): void {
  const runAs = findUnprivileged(folder);
  if (runAs.owner !== undefined) run(["chown", runAs.owner, folder]);
  run([
    ...runAs.prefix,
    join(dirname(requireBinaries("postgres").postgres), "pg_basebackup"),
    `--pgdata=${join(folder, "data")}`,
    `--dbname=${primaryUrl}`,
    "--write-recovery-conf",
    "--checkpoint=fast",
  ]);
}

function run(command: string[]): void {
  const { success, stderr } = Bun.spawnSync(command, {
    env: { PATH: process.env["PATH"], LC_ALL: "C" },
  });
  if (!success) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}

async function waitForStandbyAtCommit(primaryUrl: string): Promise<void> {
  await withClient(primaryUrl, async (sql) => {
    await sql`alter system set synchronous_standby_names = '*'`;
    await sql`select pg_reload_conf()`;
    await untilTrue("the standby is in step", IN_STEP_LIMIT_MS, async () => {
      const [row] = await sql<{ sync_state: string }[]>`select sync_state from pg_stat_replication`;
      return row?.sync_state === "sync";
    });
  });
}
