import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { pingRedis } from "../../adapters/ping.ts";
import type { ServerBinaries } from "./binaries.ts";
import type { LocalTls } from "../tls/local-tls.ts";
import {
  type Launch,
  type LocalServer,
  type LocalSettings,
  localUrl,
  readServerConfig,
  requirePort,
} from "./local-server.ts";

export const LOCAL_REDIS: LocalServer<"redis"> = {
  name: "redis",
  title: "Redis",
  portNames: ["redis"],
  prepare,
  url: ({ ports, password, tls }) =>
    localUrl(
      tls === undefined ? "redis" : "rediss",
      { password },
      {
        port: requirePort(ports, "redis"),
        path: "/0",
        ...(tls && {
          files: {
            ssl_ca_certs: tls.ca,
            ssl_certfile: tls.client.cert,
            ssl_keyfile: tls.client.key,
          },
        }),
      },
    ),
  ping: pingRedis,
  stopSignal: "SIGTERM",
};

async function prepare(
  { folder, ports, password, tls }: LocalSettings,
  { server }: ServerBinaries["redis"],
): Promise<Launch[]> {
  const data = join(folder, "data");
  const configPath = join(folder, "redis.conf");
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const own = [
    `bind 127.0.0.1`,
    ...(tls === undefined
      ? [`port ${requirePort(ports, "redis")}`]
      : encryptedOnly(requirePort(ports, "redis"), tls)),
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

const encryptedOnly = (port: number, { ca, server }: LocalTls): string[] => [
  "port 0",
  `tls-port ${port}`,
  `tls-ca-cert-file ${JSON.stringify(ca)}`,
  `tls-cert-file ${JSON.stringify(server.cert)}`,
  `tls-key-file ${JSON.stringify(server.key)}`,
  "tls-auth-clients yes",
];
