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
import { clientFiles, type RedisNode, startRedisNode } from "./redis-node.ts";

/** Three masters, mostly with a replica of each, all slots taken. */
export interface ClusterGroup extends RedisGroup {
  nodes: readonly RedisNode[];
  /** The master of a slot. */
  masterOf: (slot: number) => Promise<RedisNode>;
  /** Ends the master of a slot. Returns when its replica has taken over. */
  killMasterOf: (slot: number) => Promise<void>;
  /** Stops it where it is (SIGSTOP), the same way. Returns how to let it go on, as a zombie. */
  freezeMasterOf: (slot: number) => Promise<() => Promise<void>>;
  /** Moves slots from one master to another while the cluster works. */
  reshard: (slots: number) => Promise<void>;
}

const MASTERS = 3;
const COMMAND_LIMIT_MS = 60_000;

export async function startClusterGroup({
  isEncrypted = false,
  replicas = 1,
}: GroupWish & { replicas?: 0 | 1 } = {}): Promise<ClusterGroup> {
  const home = makeServerHome();
  const nodes: RedisNode[] = [];

  async function remove(): Promise<void> {
    await Promise.all(nodes.map(({ process }) => process.kill()));
    home.remove();
  }

  try {
    const group = await prepareGroup(home, isEncrypted);
    const count = MASTERS * (1 + replicas);
    const ports = await findFreePorts(2 * count);
    for (const [index, port] of ports.slice(0, count).entries())
      nodes.push(
        await startRedisNode(group, `node-${index + 1}`, port, [
          "appendonly yes",
          `masterauth ${group.password}`,
          "cluster-enabled yes",
          `cluster-port ${ports[count + index]}`,
          `cluster-node-timeout ${DOWN_AFTER_MS}`,
          // What one shard cannot serve must not stop the others.
          "cluster-require-full-coverage no",
          "repl-diskless-sync-delay 0",
        ]),
      );

    async function redisCli(args: readonly string[]): Promise<void> {
      const { authority } = group;
      const files = authority && clientFiles(group.folder, authority);
      const tls = files
        ? ["--tls", "--cacert", files.ca, "--cert", files.cert, "--key", files.key]
        : [];
      const run = Bun.spawn(["redis-cli", ...tls, "--cluster", ...args, "--cluster-yes"], {
        env: { PATH: process.env["PATH"], REDISCLI_AUTH: group.password },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        timeout: COMMAND_LIMIT_MS,
      });
      const [exitCode, said] = await Promise.all([run.exited, new Response(run.stdout).text()]);
      if (exitCode !== 0)
        throw new Error(`redis-cli --cluster ${args[0]} failed:\n${said.slice(-1_000)}`);
    }

    const frozen = new Set<RedisNode>();
    const running = (): RedisNode[] =>
      nodes.filter((node) => node.process.isRunning() && !frozen.has(node));

    /** By id: the lines of CLUSTER NODES of the first that answers. */
    async function readNodes(): Promise<
      { id: string; port: number; flags: string; slots: string[] }[]
    > {
      const text = String(await running()[0]?.ask("CLUSTER", "NODES"));
      return text
        .trim()
        .split("\n")
        .map((line) => {
          const [id = "", address = "", flags = "", , , , , , ...slots] = line.split(" ");
          return { id, port: Number(/:(\d+)@/.exec(address)?.[1]), flags, slots };
        });
    }

    const isMaster = ({ flags, slots }: { flags: string; slots: string[] }): boolean =>
      flags.includes("master") && !flags.includes("fail") && slots.length > 0;

    const has = ({ slots }: { slots: string[] }, slot: number): boolean =>
      slots.some((range) => {
        const [first, last = first] = range.split("-").map(Number);
        return first !== undefined && last !== undefined && first <= slot && slot <= last;
      });

    async function untilWhole(): Promise<void> {
      await untilTrue("the cluster is whole", JOIN_LIMIT_MS, async () => {
        const states = await Promise.all(
          running().map(async (node) => String(await node.ask("CLUSTER", "INFO"))),
        );
        const known = await readNodes();
        const alive = known.filter(
          ({ flags }) => flags.includes("slave") && !flags.includes("fail"),
        );
        return (
          states.every((state) => /cluster_state:ok[^]*cluster_slots_ok:16384/.test(state)) &&
          alive.length >= MASTERS * replicas
        );
      });
    }

    const findMaster = async (slot: number) =>
      (await readNodes()).find((one) => isMaster(one) && has(one, slot));

    async function masterOf(slot: number): Promise<RedisNode> {
      const master = await findMaster(slot);
      const found = nodes.find(({ port }) => port === master?.port);
      if (found === undefined) throw new Error(`nobody is the master of slot ${slot}`);
      return found;
    }

    const untilTakenOver = (slot: number, from: RedisNode): Promise<void> =>
      untilTrue("a replica has taken over", FAILOVER_LIMIT_MS, async () => {
        const now = await findMaster(slot);
        return now !== undefined && now.port !== from.port;
      });

    const addresses = nodes.map(({ address }) => address);
    await redisCli(["create", ...addresses, "--cluster-replicas", String(replicas)]);
    await untilWhole();
    return {
      nodes,
      settings: {
        ...sectionOf(group),
        cluster: { nodes: nodes.slice(0, 2).map(({ address }) => address) },
      },
      masterOf,
      killMasterOf: async (slot) => {
        const master = await masterOf(slot);
        await master.process.kill();
        await untilTakenOver(slot, master);
      },
      freezeMasterOf: async (slot) => {
        const master = await masterOf(slot);
        frozen.add(master);
        master.process.signal("SIGSTOP");
        await untilTakenOver(slot, master);
        return async () => {
          master.process.signal("SIGCONT");
          frozen.delete(master);
          await untilWhole();
        };
      },
      reshard: async (slots) => {
        const [from, to] = (await readNodes()).filter(isMaster);
        const [start] = running();
        if (start === undefined || from === undefined || to === undefined)
          throw new Error("there are no two masters");
        const ends = ["--cluster-from", from.id, "--cluster-to", to.id];
        await redisCli(["reshard", start.address, ...ends, "--cluster-slots", String(slots)]);
      },
      revive: async () => {
        await revive(nodes);
        await untilWhole();
      },
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
