import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { findFreePorts, waitForListener } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import type { Launch } from "../../local/servers/local-server.ts";
import { LOCAL_RABBITMQ } from "../../local/servers/rabbitmq.ts";
import { eventually } from "../../local/stack/eventually.ts";
import { makeServerHome, requireBinaries } from "../faults/servers/server-home.ts";
import { createServerProcess } from "../faults/servers/server-process.ts";

/** What a user of RabbitMQ may do, as its permissions say it: regular expressions of names. */
export interface Permissions {
  configure: string;
  write: string;
  read: string;
}

export interface RabbitmqUser {
  username: string;
  password: string;
  amqpUrl: string;
}

/** A RabbitMQ with the management API, as clusters have it. It ends with the test, however that ends. */
export interface ManagedRabbitmq {
  /** As its administrator. */
  amqpUrl: string;
  /** Of the API, without user and password. */
  managementUrl: string;
  addUser: (
    username: string,
    wish: { tags: readonly string[]; permissions: Permissions },
  ) => Promise<RabbitmqUser>;
  remove: () => Promise<void>;
}

const LISTEN_LIMIT_MS = 10_000;
const READY_LIMIT_MS = 90_000;
const CALL_LIMIT_MS = 5_000;
const ADMIN = "tollgate";

/** Starts one on loopback, with ports and a data folder of its own. */
export async function startManagedRabbitmq(): Promise<ManagedRabbitmq> {
  const home = makeServerHome();
  const [amqp = 0, dist = 0, epmd = 0, management = 0] = await findFreePorts(4);
  const password = newPassword();
  const settings = { folder: home.folder, password, ports: { amqp, dist, epmd } };
  const launches = await LOCAL_RABBITMQ.prepare(settings, requireBinaries("rabbitmq"));
  writeFileSync(join(home.folder, "enabled_plugins"), "[rabbitmq_management].\n");
  const config = [
    "management.tcp.ip = 127.0.0.1",
    `management.tcp.port = ${management}`,
    "collect_statistics_interval = 1000",
  ];
  appendFileSync(join(home.folder, "rabbitmq.conf"), `${config.join("\n")}\n`);
  const processes = launches.map((launch) =>
    createServerProcess(withQuickCounts(launch), { folder: home.folder }),
  );
  const managementUrl = `http://127.0.0.1:${management}`;
  const authorization = `Basic ${btoa(`${ADMIN}:${password}`)}`;

  async function call(method: string, path: string, body?: unknown): Promise<void> {
    const reply = await fetch(`${managementUrl}/api/${path}`, {
      method,
      headers: { authorization, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_LIMIT_MS),
    });
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
  }

  async function remove(): Promise<void> {
    await Promise.all(processes.map((process) => process.kill()));
    home.remove();
  }

  try {
    for (const [index, process] of processes.entries()) {
      process.start();
      const port = launches[index]?.listensOn;
      if (port !== undefined) await waitForListener(port, LISTEN_LIMIT_MS);
    }
    await eventually("the management API answers", READY_LIMIT_MS, async () => {
      const ended = processes.find((process) => !process.isRunning());
      if (ended !== undefined) throw new Error(`RabbitMQ ended:\n${ended.log().slice(-2_000)}`);
      await call("GET", "overview");
      return true;
    });
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    amqpUrl: LOCAL_RABBITMQ.url(settings),
    managementUrl,
    addUser: async (username, { tags, permissions }) => {
      const secret = newPassword();
      await call("PUT", `users/${username}`, { password: secret, tags: tags.join(",") });
      await call("PUT", `permissions/%2F/${username}`, permissions);
      const amqpUrl = `amqp://${username}:${secret}@127.0.0.1:${amqp}`;
      return { username, password: secret, amqpUrl };
    },
    remove,
  };
}

/** Quorum queues count themselves for the API every five seconds, if nobody says otherwise. */
function withQuickCounts({ env, ...launch }: Launch): Launch {
  const name = "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS";
  return {
    ...launch,
    env: { ...env, [name]: `${env[name] ?? ""} -rabbit quorum_tick_interval 500` },
  };
}
