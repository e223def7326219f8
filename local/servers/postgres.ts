import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { ensureDatabase, pingPostgres } from "../../adapters/ping.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { findArchiving } from "../backup/archiving.ts";
import type { LocalTls } from "../tls/local-tls.ts";
import type { ServerBinaries } from "./binaries.ts";
import {
  type Launch,
  type LocalServer,
  type LocalSettings,
  localUrl,
  readServerConfig,
  requirePort,
} from "./local-server.ts";
import { findUnprivileged, type Unprivileged } from "./unprivileged.ts";

const USER = "tollgate";
const DATABASE = "tollgate";

export const LOCAL_POSTGRES: LocalServer<"postgres"> = {
  name: "postgres",
  title: "PostgreSQL",
  portNames: ["postgres"],
  prepare,
  url: ({ ports, password, tls }) =>
    localUrl(
      "postgres",
      { user: USER, password },
      {
        port: requirePort(ports, "postgres"),
        path: `/${DATABASE}`,
        ...(tls && {
          files: {
            sslmode: "verify-full",
            sslrootcert: tls.ca,
            sslcert: tls.client.cert,
            sslkey: tls.client.key,
          },
        }),
      },
    ),
  ping: async (url, limitMs) => {
    await ensureDatabase(url, limitMs);
    await pingPostgres(url, limitMs);
  },
  // "Fast shutdown": SIGTERM would wait until the last client leaves.
  // https://www.postgresql.org/docs/current/server-shutdown.html
  stopSignal: "SIGINT",
};

async function prepare(
  settings: LocalSettings,
  { postgres, initdb }: ServerBinaries["postgres"],
): Promise<Launch[]> {
  const { folder, ports, password, tls } = settings;
  const data = join(folder, "data");
  const runAs = findUnprivileged(folder);
  if (!existsSync(join(data, "PG_VERSION"))) makeDataFolder(folder, data, password, initdb, runAs);
  const archiving = findArchiving(folder);
  const config = `${await readServerConfig("postgresql.conf")}${archiving?.config ?? ""}`;
  writeFileSync(join(data, "postgresql.conf"), config);
  own(data, runAs);
  const options = {
    port: String(requirePort(ports, "postgres")),
    listen_addresses: "127.0.0.1",
    // A socket's path may be 107 bytes at most, and a checkout can lie deep.
    unix_socket_directories: "",
    ...(tls && encryptedOnly(folder, tls, runAs)),
  };
  return [
    {
      name: "postgres",
      command: [
        ...runAs.prefix,
        postgres,
        "-D",
        data,
        ...Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      ],
      // Nothing of the caller's PG* variables.
      env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC", ...archiving?.env },
    },
  ];
}

/** Settings, with files that the user of PostgreSQL may read; those of a client are for backups. */
function encryptedOnly(folder: string, tls: LocalTls, runAs: Unprivileged): Record<string, string> {
  const file = (name: string): string => join(folder, name);
  for (const [name, source] of [
    ["ca.pem", tls.ca],
    ["server.pem", tls.server.cert],
    ["server.key", tls.server.key],
    ["client.pem", tls.client.cert],
    ["client.key", tls.client.key],
  ] as const) {
    copyFileSync(source, file(name));
    chmodSync(file(name), 0o600);
    own(file(name), runAs);
  }
  writeFileSync(
    file("pg_hba.conf"),
    "hostssl all,replication all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n",
  );
  own(file("pg_hba.conf"), runAs);
  return {
    hba_file: file("pg_hba.conf"),
    ssl: "on",
    ssl_ca_file: file("ca.pem"),
    ssl_cert_file: file("server.pem"),
    ssl_key_file: file("server.key"),
  };
}

/** Made aside and then renamed, so that an interrupted initdb is never taken for a database. */
function makeDataFolder(
  folder: string,
  data: string,
  password: string,
  initdb: string,
  runAs: Unprivileged,
): void {
  const unfinished = `${data}.new`;
  const passwordFile = join(folder, "password");
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(data, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  own(unfinished, runAs);
  own(passwordFile, runAs);
  const made = Bun.spawnSync(
    [
      ...runAs.prefix,
      initdb,
      `--pgdata=${unfinished}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      "--auth-host=scram-sha-256",
      "--auth-local=reject",
      "--encoding=UTF8",
      "--locale=C",
      "--data-checksums",
    ],
    { env: { PATH: process.env["PATH"], LC_ALL: "C" }, stdout: "ignore" },
  );
  rmSync(passwordFile);
  if (!made.success) {
    const reason = made.stderr.toString().trim().split("\n").at(-1) ?? "";
    throw new CommandFailure(`PostgreSQL could not make its data folder ${data}: ${reason}`);
  }
  renameSync(unfinished, data);
}

/** Gives a file or folder to the user that PostgreSQL runs as. @throws {CommandFailure} */
export function own(path: string, { owner }: Unprivileged): void {
  if (owner === undefined) return;
  const changed = Bun.spawnSync(["chown", "-R", owner, path]);
  if (!changed.success)
    throw new CommandFailure(
      `cannot give ${path} to ${owner}: ${changed.stderr.toString().trim()}`,
    );
}
