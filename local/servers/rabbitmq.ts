import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

import { pingAmqp } from "../../adapters/ping.ts";
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

const USER = "tollgate";

/**
 * Erlang takes a scheduler per core and wakes them all for a message. Half of them cost a tenth to a fifth
 * less per request on a machine that everything else runs on as well (docs/performance.md).
 */
const schedulers = (): number => Math.max(1, Math.floor(availableParallelism() / 2));

export const LOCAL_RABBITMQ: LocalServer<"rabbitmq"> = {
  name: "rabbitmq",
  title: "RabbitMQ",
  portNames: ["amqp", "dist", "epmd"],
  prepare,
  url: ({ ports, password, tls }) =>
    localUrl(
      tls === undefined ? "amqp" : "amqps",
      { user: USER, password },
      {
        port: requirePort(ports, "amqp"),
        path: "",
        ...(tls && {
          files: { cacertfile: tls.ca, certfile: tls.client.cert, keyfile: tls.client.key },
        }),
      },
    ),
  ping: pingAmqp,
  stopSignal: "SIGTERM",
};

/**
 * RabbitMQ with its own epmd. Left to itself, Erlang would start one that every other Erlang program of the
 * machine shares and that outlives us; started first and in the foreground, it is ours to stop.
 */
async function prepare(
  { folder, ports, password, tls }: LocalSettings,
  { server, epmd }: ServerBinaries["rabbitmq"],
): Promise<Launch[]> {
  for (const name of ["home", "data", "logs", "config"])
    mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  const configPath = join(folder, "rabbitmq.conf");
  const pluginsPath = join(folder, "enabled_plugins");
  const own = [
    ...(tls === undefined
      ? [`listeners.tcp.1 = 127.0.0.1:${requirePort(ports, "amqp")}`]
      : encryptedOnly(requirePort(ports, "amqp"), tls)),
    `default_user = ${USER}`,
    `default_pass = ${password}`,
  ];
  writeFileSync(configPath, `${await readServerConfig("rabbitmq.conf")}\n${own.join("\n")}\n`, {
    mode: 0o600,
  });
  writeFileSync(pluginsPath, "[].\n");
  const epmdPort = requirePort(ports, "epmd");
  const env = {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    // The cookie that protects the node lies in the home folder.
    HOME: join(folder, "home"),
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: "tollgate@localhost",
    // They would open a port of plain text beside.
    ...(tls === undefined && {
      RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
      RABBITMQ_NODE_PORT: String(requirePort(ports, "amqp")),
    }),
    RABBITMQ_DIST_PORT: String(requirePort(ports, "dist")),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-kernel inet_dist_use_interface {127,0,0,1} +S ${schedulers()}`,
    RABBITMQ_CONFIG_FILE: configPath,
    RABBITMQ_ENABLED_PLUGINS_FILE: pluginsPath,
    RABBITMQ_MNESIA_BASE: join(folder, "data"),
    RABBITMQ_LOG_BASE: join(folder, "logs"),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, "config"),
    // Not the machine's own settings.
    RABBITMQ_CONF_ENV_FILE: join(folder, "no-rabbitmq-env.conf"),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, "no-advanced.config"),
    // The start script then becomes the server instead of staying as its parent, so that the pid is the
    // server's.
    RUNNING_UNDER_SYSTEMD: "true",
  };
  return [
    {
      name: "epmd",
      // -d: without it nothing is said about why it ends.
      command: [epmd, "-d", "-port", String(epmdPort), "-address", "127.0.0.1"],
      env,
      // RabbitMQ would otherwise come first and leave behind one of its own.
      listensOn: epmdPort,
    },
    { name: "rabbitmq", command: [server], env },
  ];
}

const encryptedOnly = (port: number, { ca, server }: LocalTls): string[] => [
  "listeners.tcp = none",
  `listeners.ssl.1 = 127.0.0.1:${port}`,
  `ssl_options.cacertfile = ${ca}`,
  `ssl_options.certfile = ${server.cert}`,
  `ssl_options.keyfile = ${server.key}`,
  "ssl_options.verify = verify_peer",
  "ssl_options.fail_if_no_peer_cert = true",
];
