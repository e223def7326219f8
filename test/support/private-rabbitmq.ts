import { appendFileSync } from "node:fs";
import { join } from "node:path";

import { findFreePorts, waitForListener } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import { LOCAL_RABBITMQ } from "../../local/servers/rabbitmq.ts";
import { eventually } from "../../local/stack/eventually.ts";
import { makeServerHome, requireBinaries } from "../faults/servers/server-home.ts";
import { createServerProcess } from "../faults/servers/server-process.ts";

/** A RabbitMQ that a test has for itself. It ends with the test, however that ends. */
export interface PrivateRabbitmq {
  url: string;
  remove: () => Promise<void>;
}

const LISTEN_LIMIT_MS = 10_000;
const READY_LIMIT_MS = 60_000;
const PING_LIMIT_MS = 2_000;

/** Starts one on loopback with more lines of `rabbitmq.conf`. */
export async function startPrivateRabbitmq(config: readonly string[]): Promise<PrivateRabbitmq> {
  const home = makeServerHome();
  const [amqp = 0, dist = 0, epmd = 0] = await findFreePorts(3);
  const settings = { folder: home.folder, password: newPassword(), ports: { amqp, dist, epmd } };
  const url = LOCAL_RABBITMQ.url(settings);
  const launches = await LOCAL_RABBITMQ.prepare(settings, requireBinaries("rabbitmq"));
  appendFileSync(join(home.folder, "rabbitmq.conf"), `${config.join("\n")}\n`);
  const processes = launches.map((launch) => createServerProcess(launch, { folder: home.folder }));
  const remove = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.kill()));
    home.remove();
  };
  try {
    for (const [index, process] of processes.entries()) {
      process.start();
      const port = launches[index]?.listensOn;
      if (port !== undefined && !(await waitForListener(port, LISTEN_LIMIT_MS)))
        throw new Error(`nothing listens on ${port}:\n${process.log().slice(-2_000)}`);
    }
    const ended = () => processes.find((process) => !process.isRunning());
    await eventually("RabbitMQ answers", READY_LIMIT_MS, async () => {
      if (ended() !== undefined) return "ended";
      await LOCAL_RABBITMQ.ping(url, PING_LIMIT_MS);
      return "ready";
    });
    const dead = ended();
    if (dead !== undefined) throw new Error(`RabbitMQ ended:\n${dead.log().slice(-2_000)}`);
  } catch (error) {
    await remove();
    throw error;
  }
  return { url, remove };
}
