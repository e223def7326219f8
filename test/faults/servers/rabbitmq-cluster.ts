import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { findFreePorts, waitForListener } from "../../../local/processes/ports.ts";
import { newPassword } from "../../../local/servers/password.ts";
import { LOCAL_RABBITMQ } from "../../../local/servers/rabbitmq.ts";
import { eventually } from "../../../local/stack/eventually.ts";
import { type ControlledNode, runRabbitmqctl } from "../../support/rabbitmqctl.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { makeServerHome, requireBinaries } from "./server-home.ts";
import { createServerProcess, type ServerProcess } from "./server-process.ts";

/** Three nodes of RabbitMQ that a test kills. */
export interface RabbitmqCluster {
  /**
   * One address, which leads new connections to each living node in turn, as a Service of Kubernetes does.
   */
  url: string;
  nodes: readonly string[];
  /** Kills them at the same time. */
  kill: (nodes: readonly string[]) => Promise<void>;
  /** Starts nodes with the data that they had; they are back in the cluster when this returns. */
  restart: (nodes: readonly string[]) => Promise<void>;
  queues: () => Promise<ReplicatedQueue[]>;
  remove: () => Promise<void>;
}

export interface ReplicatedQueue {
  name: string;
  members: string[];
  leader: string;
}

/** A node that a test starts. */
export interface ClusterNode extends ControlledNode {
  url: string;
  process: ServerProcess;
}

const NODES = ["tollgate-1@localhost", "tollgate-2@localhost", "tollgate-3@localhost"] as const;
const READY_LIMIT_MS = 90_000;
const LISTEN_LIMIT_MS = 10_000;
const PING_LIMIT_MS = 2_000;

const QueuesSchema = t.Array(
  t.Object({ name: t.String(), members: t.Array(t.String()), leader: t.String() }),
);

/** Makes nodes that start at the same time one cluster (https://www.rabbitmq.com/docs/cluster-formation). */
export const clusterConfig = (nodes: readonly string[]): string =>
  [
    "cluster_formation.peer_discovery_backend = classic_config",
    ...nodes.map((node, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${node}`),
    "",
  ].join("\n");

/** Starts the cluster on loopback, with ports, an epmd and data folders of its own. */
export async function startRabbitmqCluster(): Promise<RabbitmqCluster> {
  const home = makeServerHome();
  const { epmd, nodes } = await prepareNodes(home.folder);
  const [first] = nodes;
  if (first === undefined) throw new Error("a cluster needs a node");
  const address = await startTcpProxy(first.url);

  const lead = (): void =>
    address.leadTo(...nodes.filter(({ process }) => process.isRunning()).map(({ url }) => url));

  const start = async (wanted: readonly ClusterNode[]): Promise<void> => {
    for (const { process } of wanted) process.start();
    await untilJoined(wanted, nodes.filter(({ process }) => process.isRunning()).length);
    lead();
  };

  const named = (names: readonly string[]): ClusterNode[] =>
    nodes.filter(({ node }) => names.includes(node));

  async function remove(): Promise<void> {
    await address.stop();
    await Promise.all([epmd, ...nodes.map(({ process }) => process)].map((one) => one.kill()));
    home.remove();
  }

  try {
    epmd.start();
    // A node that comes first would start an epmd that outlives it.
    await waitForListener(first.epmdPort, LISTEN_LIMIT_MS);
    await start(nodes);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    url: address.url,
    nodes: NODES,
    kill: async (names) => {
      await Promise.all(named(names).map(({ process }) => process.kill()));
      lead();
    },
    restart: (names) => start(named(names)),
    queues: async () => {
      const living = nodes.find(({ process }) => process.isRunning());
      if (living === undefined) throw new Error("no node runs");
      return readQueues(living);
    },
    remove,
  };
}

async function prepareNodes(
  folder: string,
): Promise<{ epmd: ServerProcess; nodes: ClusterNode[] }> {
  const [epmdPort = 0, ...free] = await findFreePorts(1 + 2 * NODES.length);
  const [password, cookie] = [newPassword(), newPassword()];
  const nodes: ClusterNode[] = [];
  let epmd: ServerProcess | undefined;
  for (const node of NODES) {
    const [amqp = 0, dist = 0] = free.splice(0, 2);
    const own = join(folder, node);
    const settings = { folder: own, password, ports: { amqp, dist, epmd: epmdPort } };
    const [names, server] = await LOCAL_RABBITMQ.prepare(settings, requireBinaries("rabbitmq"));
    if (names === undefined || server === undefined) throw new Error("RabbitMQ is two processes");
    appendFileSync(join(own, "rabbitmq.conf"), clusterConfig(NODES));
    writeFileSync(join(own, "home", ".erlang.cookie"), cookie, { mode: 0o400 });
    epmd ??= createServerProcess(names, { folder });
    const launch = { ...server, name: node, env: { ...server.env, RABBITMQ_NODENAME: node } };
    const process = createServerProcess(launch, { folder });
    nodes.push({ node, folder: own, epmdPort, url: LOCAL_RABBITMQ.url(settings), process });
  }
  if (epmd === undefined) throw new Error("a cluster needs a node");
  return { epmd, nodes };
}

/** Waits until nodes that were started answer, and the cluster has as many as that. */
export async function untilJoined(started: readonly ClusterNode[], count: number): Promise<void> {
  await Promise.all(started.map(untilReady));
  const [first] = started;
  if (first === undefined) return;
  // A node answers AMQP somewhat before it counts as running, and until then the other command fails.
  await runRabbitmqctl(first, ["await_startup"]);
  await runRabbitmqctl(first, ["await_online_nodes", String(count)]);
}

export async function readQueues(node: ControlledNode): Promise<ReplicatedQueue[]> {
  const columns = ["name", "members", "leader"];
  const json = await runRabbitmqctl(node, ["list_queues", ...columns, "--formatter", "json"]);
  return Value.Decode(QueuesSchema, JSON.parse(json));
}

async function untilReady({ node, url, process }: ClusterNode): Promise<void> {
  await eventually(`${node} answers`, READY_LIMIT_MS, async () => {
    if (!process.isRunning()) return "ended";
    await LOCAL_RABBITMQ.ping(url, PING_LIMIT_MS);
    return "ready";
  });
  if (!process.isRunning()) throw new Error(`${node} ended:\n${process.log().slice(-2_000)}`);
}
