import { join } from "node:path";

import type { Launch } from "../../local/servers/local-server.ts";
import type { Machine } from "./machine-group.ts";

/** The same on each machine. */
export const PORTS = { postgres: 5432, patroni: 8008, etcd: 2379, etcdPeers: 2380 } as const;

export interface PatroniWish {
  folder: string;
  /** Of all machines. */
  hosts: readonly string[];
  user: string;
  passwords: { superuser: string; replication: string };
  /** The folder with PostgreSQL's programs. */
  programs: string;
}

/**
 * A primary that did not renew its claim for `ttl` is replaced; the defaults are 30, 10 and 10 s. It steps
 * down by itself when it cannot reach a majority for `retry_timeout`.
 */
const TIMES = { ttl: 8, loop_wait: 1, retry_timeout: 3 };

/** The configuration of Patroni on one machine (https://patroni.readthedocs.io). */
export function patroniSettings(
  { name, host }: Machine,
  { folder, hosts, user, passwords, programs }: PatroniWish,
): object {
  return {
    scope: "tollgate",
    name,
    restapi: { listen: `${host}:${PORTS.patroni}`, connect_address: `${host}:${PORTS.patroni}` },
    // Not by the API v3: there Patroni 3.0.2 went on to read an old state from a watch that a frozen etcd had
    // held up, never named another standby, and later promoted one that lacked commits.
    etcd: { hosts: hosts.map((one) => `${one}:${PORTS.etcd}`) },
    bootstrap: {
      dcs: {
        ...TIMES,
        // A primary whose PostgreSQL died is replaced, not started again.
        primary_start_timeout: 0,
        // Only a standby that has every commit may be promoted; without such a standby nothing is committed.
        synchronous_mode: true,
        synchronous_mode_strict: true,
        postgresql: {
          use_pg_rewind: true,
          use_slots: true,
          parameters: { max_connections: 300, shared_buffers: "128MB", wal_keep_size: "256MB" },
        },
      },
      initdb: ["data-checksums", { encoding: "UTF8" }, { locale: "C" }],
    },
    postgresql: {
      listen: `${host}:${PORTS.postgres}`,
      connect_address: `${host}:${PORTS.postgres}`,
      data_dir: join(folder, "data"),
      bin_dir: programs,
      pgpass: join(folder, "pgpass"),
      authentication: {
        superuser: { username: user, password: passwords.superuser },
        replication: { username: "replicator", password: passwords.replication },
      },
      parameters: { unix_socket_directories: "", password_encryption: "scram-sha-256" },
      pg_hba: ["host all all all scram-sha-256", "host replication replicator all scram-sha-256"],
    },
  };
}

/** One of three that agree on who is the primary. */
export function etcdLaunch(
  { name, host }: Machine,
  machines: readonly Machine[],
  folder: string,
): Launch {
  const peerUrl = (one: { host: string }): string => `http://${one.host}:${PORTS.etcdPeers}`;
  const clients = `http://${host}:${PORTS.etcd}`;
  const options = {
    name,
    "data-dir": folder,
    "listen-peer-urls": peerUrl({ host }),
    "initial-advertise-peer-urls": peerUrl({ host }),
    "listen-client-urls": clients,
    "advertise-client-urls": clients,
    "enable-v2": "true",
    "initial-cluster": machines.map((one) => `${one.name}=${peerUrl(one)}`).join(","),
  };
  return {
    name: "etcd",
    command: ["etcd", ...Object.entries(options).map(([key, value]) => `--${key}=${value}`)],
    env: { PATH: process.env["PATH"] },
  };
}
