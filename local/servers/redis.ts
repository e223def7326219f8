import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { pingRedis } from "../../adapters/ping.ts";
import type { ServerBinaries } from "./binaries.ts";
import {
  type Launch,
  type LocalServer,
  type LocalSettings,
  readServerConfig,
  requirePort,
} from "./local-server.ts";

export const LOCAL_REDIS: LocalServer<"redis"> = {
  name: "redis",
  title: "Redis",
  portNames: ["redis"],
  prepare,
  url: ({ ports, password }) => `redis://:${password}@127.0.0.1:${requirePort(ports, "redis")}/0`,
  ping: pingRedis,
  stopSignal: "SIGTERM",
};

async function prepare(
  { folder, ports, password }: LocalSettings,
  { server }: ServerBinaries["redis"],
): Promise<Launch[]> {
  const data = join(folder, "data");
  const configPath = join(folder, "redis.conf");
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const own = [
    `bind 127.0.0.1`,
    `port ${requirePort(ports, "redis")}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(data)}`,
    "daemonize no",
    'logfile ""',
  ];
  writeFileSync(configPath, `${await readServerConfig("redis.conf")}\n${own.join("\n")}\n`, {
    mode: 0o600,
  });
  return [
    {
      name: "redis",
      command: [server, configPath],
      env: { PATH: process.env["PATH"], LC_ALL: "C" },
    },
  ];
}
