import { join } from "node:path";

import { findFreePorts } from "../../../local/processes/ports.ts";
import { newPassword } from "../../../local/servers/password.ts";
import { untilTrue } from "../../../local/stack/eventually.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { prepareNode, type RedisNode, startNode, withClient } from "./redis-node.ts";
import { makeServerHome } from "./server-home.ts";

/**
 * A master of Redis and a replica, which change places. Replication is asynchronous; Redis has no other.
 */
export interface RedisPair {
  /** One address, which leads to the master. */
  url: string;
  /** Cuts the replica off: from now on the master alone has what is written. */
  cutReplicaOff: () => void;
  /** How many bytes of replication the master is ahead of the replica. */
  readLag: () => Promise<number>;
  killMaster: () => Promise<void>;
  /**
   * Leads the address to the replica, which refuses writes, and makes it the master once clients have come.
   */
  promoteReplica: () => Promise<void>;
  /** The one that was killed comes back as the replica, with a copy of what the other one has. */
  returnAsReplica: () => Promise<void>;
  remove: () => Promise<void>;
}

const LIMIT_MS = 20_000;

export async function startRedisPair(): Promise<RedisPair> {
  const home = makeServerHome();
  const password = newPassword();
  const [masterPort = 0, replicaPort = 0] = await findFreePorts(2);
  let master = await prepareNode(join(home.folder, "one"), masterPort, password);
  let replica = await prepareNode(join(home.folder, "other"), replicaPort, password);
  const address = await startTcpProxy(master.url);
  /** From the replica to the master. */
  const link = await startTcpProxy(master.url);

  async function startReplica(): Promise<void> {
    link.leadTo(master.url);
    link.heal();
    await startNode(replica);
    await withClient(replica, (client) => client.replicaof("127.0.0.1", link.port));
    await untilTrue("the replica has a copy", LIMIT_MS, async () => {
      const state = await readReplication(replica);
      return state.get("master_link_status") === "up";
    });
  }

  async function remove(): Promise<void> {
    await Promise.all([master, replica].map(({ process }) => process.kill()));
    await Promise.all([address, link].map((proxy) => proxy.stop()));
    home.remove();
  }

  try {
    await startNode(master);
    await startReplica();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    url: address.url,
    cutReplicaOff: link.refuse,
    readLag: async () => {
      const [ahead, behind] = await Promise.all([master, replica].map(readReplication));
      return Number(ahead?.get("master_repl_offset")) - Number(behind?.get("slave_repl_offset"));
    },
    killMaster: () => master.process.kill(),
    promoteReplica: async () => {
      [master, replica] = [replica, master];
      address.leadTo(master.url);
      await untilTrue("clients have come", LIMIT_MS, () => address.connections() > 0);
      await withClient(master, (client) => client.replicaof("NO", "ONE"));
    },
    returnAsReplica: startReplica,
    remove,
  };
}

/** `INFO replication`, by field. */
async function readReplication(node: RedisNode): Promise<Map<string, string>> {
  const info = await withClient(node, (client) => client.info("replication"));
  return new Map(
    info.split("\r\n").map((line) => {
      const [name = "", value = ""] = line.split(":");
      return [name, value];
    }),
  );
}
