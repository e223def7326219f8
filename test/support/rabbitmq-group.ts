import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { waitForListener } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import { LOCAL_RABBITMQ } from "../../local/servers/rabbitmq.ts";
import { eventually } from "../../local/stack/eventually.ts";
import {
  type ClusterNode,
  clusterConfig,
  readQueues,
  untilJoined,
} from "../faults/servers/rabbitmq-cluster.ts";
import { makeServerHome, requireBinaries } from "../faults/servers/server-home.ts";
import { type Machine, startMachines } from "./machine-group.ts";
import { runRabbitmqctl } from "./rabbitmqctl.ts";

/** Three machines with a node of RabbitMQ each. */
export interface RabbitmqGroup {
  /** One URL for each node. */
  urls: readonly string[];
  /** The machine whose node leads the queue of requests. */
  leader: () => Promise<Machine>;
  /** Starts again what has been switched off, and waits until all three are one cluster. */
  revive: () => Promise<void>;
  /** Waits until the node of a machine that was away is one of the cluster again. */
  untilBack: (machine: Machine) => Promise<void>;
  remove: () => Promise<void>;
}

const NAMES = ["rabbitmq-1", "rabbitmq-2", "rabbitmq-3"] as const;
const nodeOf = (machine: string): string => `tollgate@${machine}`;
/** The same on each machine. */
const PORTS = { amqp: 5672, dist: 25_672, epmd: 4369 };
const LISTEN_LIMIT_MS = 10_000;
const WHOLE_LIMIT_MS = 90_000;

/**
 * A node that was silent for about `net_ticktime` (60 by default) is taken for dead by the others. One that
 * sees no majority stops to serve, and joins again when it does: without that, RabbitMQ leaves it to an
 * operator to choose whom to restart.
 */
const GROUP_CONFIG = "net_ticktime = 8\ncluster_partition_handling = pause_minority\n";

export async function startRabbitmqGroup(): Promise<RabbitmqGroup> {
  const home = makeServerHome();
  const [password, cookie] = [newPassword(), newPassword()];
  const group = await startMachines(home.folder, NAMES);
  const { machines } = group;
  const nodes = new Map<Machine, ClusterNode>();

  async function remove(): Promise<void> {
    await group.remove();
    home.remove();
  }

  async function launch(machine: Machine): Promise<ClusterNode> {
    const { name, host } = machine;
    const folder = join(home.folder, name, "server");
    const [names, server] = await LOCAL_RABBITMQ.prepare(
      { folder, password, ports: PORTS },
      requireBinaries("rabbitmq"),
    );
    if (names === undefined || server === undefined) throw new Error("RabbitMQ is two processes");
    const configPath = join(folder, "rabbitmq.conf");
    writeFileSync(configPath, moved(readFileSync(configPath, "utf8"), host));
    appendFileSync(configPath, clusterConfig(NAMES.map(nodeOf)) + GROUP_CONFIG);
    const cookiePath = join(folder, "home", ".erlang.cookie");
    writeFileSync(cookiePath, cookie, { mode: 0o400 });
    const env = Object.fromEntries(
      Object.entries(server.env).map(([key, value = ""]) => [key, moved(value, host)]),
    );
    const command = names.command.map((word) => moved(word, host));
    machine.launch({ name: "epmd", command, env });
    if (!(await waitForListener(PORTS.epmd, LISTEN_LIMIT_MS, host)))
      throw new Error(`epmd of ${name} does not listen`);
    return {
      node: nodeOf(name),
      folder,
      epmdPort: PORTS.epmd,
      enter: machine.enter(),
      url: moved(LOCAL_RABBITMQ.url({ password, ports: PORTS }), host),
      process: machine.launch({ ...server, env: { ...env, RABBITMQ_NODENAME: nodeOf(name) } }),
    };
  }

  async function start(wanted: readonly Machine[]): Promise<void> {
    const started = await Promise.all(
      wanted.map(async (machine) => {
        const node = await launch(machine);
        nodes.set(machine, node);
        return node;
      }),
    );
    await untilJoined(started, NAMES.length);
  }

  /** A node that runs, on another machine than that. */
  const nodeBut = (but?: Machine): ClusterNode => {
    const machine = machines.find((one) => one.isOn() && one !== but);
    const node = machine && nodes.get(machine);
    if (node === undefined) throw new Error("no node runs");
    return node;
  };

  try {
    await start(machines);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    urls: [...nodes.values()].map(({ url }) => url),
    leader: async () => {
      const queues = await readQueues(nodeBut());
      const found = queues.find(({ name }) => name.endsWith("inference_requests"));
      const machine = machines.find(({ name }) => nodeOf(name) === found?.leader);
      if (machine === undefined) throw new Error("nobody leads the queue of requests");
      return machine;
    },
    revive: async () => {
      const off = machines.filter((machine) => !machine.isOn());
      await Promise.all(off.map((machine) => machine.powerOn()));
      await start(off);
    },
    untilBack: async (machine) => {
      const args = ["await_online_nodes", String(NAMES.length), "--timeout", "30"];
      await eventually("all nodes are one cluster", WHOLE_LIMIT_MS, () =>
        runRabbitmqctl(nodeBut(machine), args),
      );
    },
    remove,
  };
}

/** What says loopback, for another address. */
const moved = (text: string, host: string): string =>
  text.replaceAll("127.0.0.1", host).replaceAll("127,0,0,1", host.replaceAll(".", ","));
