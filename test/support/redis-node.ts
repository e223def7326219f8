import { mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { Redis } from "ioredis";

import { eventually } from "../../local/stack/eventually.ts";
import type { Authority } from "../../local/tls/authority.ts";
import { requireBinaries } from "../faults/servers/server-home.ts";
import { createServerProcess, type ServerProcess } from "../faults/servers/server-process.ts";

/** A Redis server or a Sentinel of a group. */
export interface RedisNode {
  name: string;
  port: number;
  /** `127.0.0.1:port` */
  address: string;
  process: ServerProcess;
  /** One command on a connection of its own; the reply as it comes. */
  ask: (command: string, ...args: readonly (string | number)[]) => Promise<unknown>;
}

/** What the nodes of a group share. */
export interface GroupSettings {
  folder: string;
  password: string;
  /** Whose certificates they have and demand; undefined: no TLS. */
  authority: Authority | undefined;
}

const START_LIMIT_MS = 20_000;
const ANSWER_LIMIT_MS = 2_000;

/** The lines of `redis.conf` that make a server speak TLS, and nothing else. */
async function tlsLines(
  { authority }: GroupSettings,
  port: number,
  name: string,
): Promise<string[]> {
  if (authority === undefined) return [`port ${port}`];
  const { cert, key } = await authority.issue({ name, hosts: ["127.0.0.1", "localhost"] });
  return [
    "port 0",
    `tls-port ${port}`,
    `tls-cert-file ${cert}`,
    `tls-key-file ${key}`,
    `tls-ca-cert-file ${authority.ca}`,
    "tls-auth-clients yes",
    "tls-replication yes",
    "tls-cluster yes",
  ];
}

/** Starts a server with these lines in its `redis.conf`; `isSentinel`: a Sentinel. */
export async function startRedisNode(
  group: GroupSettings,
  name: string,
  port: number,
  lines: readonly string[],
  isSentinel = false,
): Promise<RedisNode> {
  const folder = join(group.folder, name);
  mkdirSync(folder);
  const config = [
    "bind 127.0.0.1",
    `dir ${folder}`,
    `requirepass ${group.password}`,
    ...(await tlsLines(group, port, name)),
    ...lines,
  ];
  const path = join(folder, "redis.conf");
  writeFileSync(path, `${config.join("\n")}\n`, { mode: 0o600 });
  const command = [requireBinaries("redis").server, path, ...(isSentinel ? ["--sentinel"] : [])];
  const tls = group.authority && (await readClientTls(group.folder, group.authority));
  const env = { PATH: process.env["PATH"], LC_ALL: "C" };
  const server = createServerProcess({ name, command, env }, { folder });
  const node: RedisNode = {
    name,
    port,
    address: `127.0.0.1:${port}`,
    process: server,
    ask: async (asked, ...args) => {
      const client = openControl(group, port, tls);
      try {
        return await client.call(asked, ...args);
      } finally {
        client.disconnect();
      }
    },
  };
  server.start();
  await untilAnswering(node);
  return node;
}

export async function untilAnswering(node: RedisNode): Promise<void> {
  await eventually(`${node.name} answers`, START_LIMIT_MS, async () => {
    if (!node.process.isRunning())
      throw new Error(`${node.name} ended:\n${node.process.log().slice(-2_000)}`);
    return node.ask("PING");
  });
}

function openControl(
  { password }: GroupSettings,
  port: number,
  tls: { ca: string; cert: string; key: string } | undefined,
): Redis {
  const client = new Redis({
    host: "127.0.0.1",
    port,
    password,
    commandTimeout: ANSWER_LIMIT_MS,
    connectTimeout: ANSWER_LIMIT_MS,
    enableReadyCheck: false,
    retryStrategy: () => null,
    ...(tls && { tls }),
  });
  client.on("error", () => {}); // the call rejects as well
  return client;
}

/** The files of a client's certificate, which servers of a group with TLS demand. */
export const clientFiles = (folder: string, { ca }: Pick<Authority, "ca">) => ({
  ca,
  cert: join(folder, "tls", "client.pem"),
  key: join(folder, "tls", "client.key"),
});

async function readClientTls(folder: string, authority: Authority) {
  const { ca, cert, key } = clientFiles(folder, authority);
  return {
    ca: await readFile(ca, "utf8"),
    cert: await readFile(cert, "utf8"),
    key: await readFile(key, "utf8"),
  };
}
