import { findFreePorts } from "../../local/processes/ports.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { makeServerHome } from "../faults/servers/server-home.ts";
import {
  DOWN_AFTER_MS,
  FAILOVER_LIMIT_MS,
  type GroupWish,
  JOIN_LIMIT_MS,
  prepareGroup,
  type RedisGroup,
  revive,
  sectionOf,
} from "./redis-groups.ts";
import { type RedisNode, startRedisNode } from "./redis-node.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

/** A master of Redis, two replicas and three Sentinels. */
export interface SentinelGroup extends RedisGroup {
  /** Ends the master at once. Returns when another one has taken over. */
  killMaster: () => Promise<void>;
  /** Stops the master where it is (SIGSTOP). Returns how to let it go on, as a zombie. */
  freezeMaster: () => Promise<() => Promise<void>>;
  /** Swallows all that is sent to the master, which lives. Returns how to end that. */
  cutMasterOff: () => Promise<() => Promise<void>>;
}

const MASTER_NAME = "quota";

export async function startSentinelGroup({
  isEncrypted = false,
}: GroupWish = {}): Promise<SentinelGroup> {
  const home = makeServerHome();
  const nodes: RedisNode[] = [];
  const sentinels: RedisNode[] = [];
  const proxies: TcpProxy[] = [];

  async function remove(): Promise<void> {
    await Promise.all([...sentinels, ...nodes].map(({ process }) => process.kill()));
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    home.remove();
  }

  /** The proxy that the Sentinels, the replicas and the clients know as the master. */
  async function masterIndex(): Promise<number> {
    const names = await Promise.all(
      sentinels.map((one) => one.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)),
    );
    const [port, ...others] = names.map((reply) => Number((reply as [string, string])[1]));
    if (others.some((other) => other !== port)) return -1;
    return proxies.findIndex((proxy) => proxy.port === port);
  }

  async function untilFailedOver(from: number): Promise<void> {
    await untilTrue("another master has taken over", FAILOVER_LIMIT_MS, async () => {
      const index = await masterIndex();
      return index !== -1 && index !== from;
    });
  }

  async function currentMaster(): Promise<number> {
    const index = await masterIndex();
    if (index === -1) throw new Error("the Sentinels do not agree on a master");
    return index;
  }

  async function untilReplicas(count: number): Promise<void> {
    await untilTrue(`the master has ${count} replicas`, JOIN_LIMIT_MS, async () => {
      const master = nodes[await masterIndex()];
      const info = String(await master?.ask("INFO", "replication"));
      return info.match(/^slave\d+:.*state=online/gm)?.length === count;
    });
  }

  try {
    const group = await prepareGroup(home, isEncrypted);
    const ports = await findFreePorts(6);
    for (const [index, port] of ports.slice(0, 3).entries()) {
      const proxy = await startTcpProxy(`redis://127.0.0.1:${port}`);
      proxies.push(proxy);
      nodes.push(
        await startRedisNode(group, `data-${index + 1}`, port, [
          "appendonly yes",
          `masterauth ${group.password}`,
          "replica-announce-ip 127.0.0.1",
          `replica-announce-port ${proxy.port}`,
          "repl-diskless-sync-delay 0",
          ...(index === 0 ? [] : [`replicaof 127.0.0.1 ${proxies[0]?.port}`]),
        ]),
      );
    }
    for (const [index, port] of ports.slice(3).entries())
      sentinels.push(
        await startRedisNode(
          group,
          `sentinel-${index + 1}`,
          port,
          [
            `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${proxies[0]?.port} 2`,
            `sentinel auth-pass ${MASTER_NAME} ${group.password}`,
            `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
            `sentinel failover-timeout ${MASTER_NAME} 6000`,
            `sentinel parallel-syncs ${MASTER_NAME} 2`,
            `sentinel sentinel-pass ${group.password}`,
          ],
          true,
        ),
      );
    await untilTrue("the Sentinels know each other", JOIN_LIMIT_MS, async () => {
      const states = await Promise.all(
        sentinels.map((one) => one.ask("SENTINEL", "CKQUORUM", MASTER_NAME)),
      );
      return states.every((state) => String(state).startsWith("OK 3"));
    });
    await untilReplicas(2);
    return {
      settings: {
        ...sectionOf(group),
        sentinels: {
          name: MASTER_NAME,
          nodes: sentinels.map(({ address }) => address),
          password: group.password,
        },
      },
      killMaster: async () => {
        const index = await currentMaster();
        await nodes[index]?.process.kill();
        await untilFailedOver(index);
      },
      freezeMaster: async () => {
        const index = await currentMaster();
        nodes[index]?.process.signal("SIGSTOP");
        await untilFailedOver(index);
        return async () => {
          nodes[index]?.process.signal("SIGCONT");
          await untilReplicas(2);
        };
      },
      cutMasterOff: async () => {
        const index = await currentMaster();
        proxies[index]?.blackhole();
        await untilFailedOver(index);
        return async () => {
          proxies[index]?.heal();
          await untilReplicas(2);
        };
      },
      revive: async () => {
        await revive(nodes);
        await untilReplicas(2);
      },
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
