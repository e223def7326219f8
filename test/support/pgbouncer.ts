import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { findFreePorts, waitForListener } from "../../local/processes/ports.ts";
import { own } from "../../local/servers/postgres.ts";
import { findUnprivileged } from "../../local/servers/unprivileged.ts";
import { bringPackage } from "../faults/bring-package.ts";
import { makeServerHome } from "../faults/servers/server-home.ts";
import { createServerProcess } from "../faults/servers/server-process.ts";

/** PgBouncer in transaction mode. It ends with the test, however that ends. */
export interface Pgbouncer {
  /** The same database through it. */
  through: (postgresUrl: string) => string;
  remove: () => Promise<void>;
}

const LISTEN_LIMIT_MS = 10_000;
/** Fewer sessions than a process has connections, so that each statement may meet another one. */
const POOL_SIZE = 3;

/** Debian keeps it off the PATH of who is not root. */
const findPgbouncer = (): string | undefined =>
  Bun.which("pgbouncer", { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` }) ?? undefined;

/** The program, installed if it can be; undefined: it cannot. */
export const bringPgbouncer = (): Promise<string | undefined> =>
  bringPackage("pgbouncer", findPgbouncer, "the tests behind PgBouncer");

/** Starts one before the server of a URL, with more lines of `pgbouncer.ini`. */
export async function startPgbouncer(
  program: string,
  serverUrl: string,
  config: readonly string[] = [],
): Promise<Pgbouncer> {
  const home = makeServerHome();
  const [port = 0] = await findFreePorts(1);
  const server = new URL(serverUrl);
  const [users, ini] = [join(home.folder, "users.txt"), join(home.folder, "pgbouncer.ini")];
  writeFileSync(users, `"${server.username}" "${decodeURIComponent(server.password)}"\n`);
  const lines = [
    "[databases]",
    `* = host=${server.hostname} port=${server.port}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = scram-sha-256",
    `auth_file = ${users}`,
    "pool_mode = transaction",
    `default_pool_size = ${POOL_SIZE}`,
    "max_client_conn = 500",
    ...config,
  ];
  writeFileSync(ini, `${lines.join("\n")}\n`);
  // PgBouncer refuses to be root.
  const runAs = findUnprivileged(home.folder);
  own(home.folder, runAs);
  const pgbouncer = createServerProcess(
    {
      name: "pgbouncer",
      command: [program, ini],
      env: { PATH: process.env["PATH"], LC_ALL: "C" },
    },
    { folder: home.folder, prefix: runAs.prefix },
  );
  const remove = async (): Promise<void> => {
    await pgbouncer.kill();
    home.remove();
  };
  pgbouncer.start();
  if (!(await waitForListener(port, LISTEN_LIMIT_MS))) {
    const said = pgbouncer.log().slice(-2_000);
    await remove();
    throw new Error(`PgBouncer did not start:\n${said}`);
  }
  return {
    through: (postgresUrl) => {
      const url = new URL(postgresUrl);
      url.hostname = "127.0.0.1";
      url.port = String(port);
      return url.toString();
    },
    remove,
  };
}
