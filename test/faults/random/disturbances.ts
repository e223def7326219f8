import type { ServerName } from "../../../local/servers/binaries.ts";
import { CRASH_POINTS, type CrashPoint } from "../../../runtime/crash-points.ts";
import type { Component } from "../../../local/stack/component.ts";
import type { PrivateServers } from "../../support/private-servers.ts";
import type { TestStack } from "../../support/stack/stack.ts";
import type { TcpProxy } from "../../support/tcp-proxy.ts";

/** What a random run may do harm to. */
export interface Target {
  stack: TestStack;
  servers: PrivateServers;
  proxies: readonly TcpProxy[];
  /** In [0, 1), determined by the seed. */
  random: () => number;
}

export interface Disturbance {
  name: string;
  /** How often it is drawn beside the others. */
  weight: number;
  /**
   * Returns in a few words what was done to whom. Leaves everything running but processes, which whoever
   * watches restarts.
   */
  run: (target: Target) => Promise<string>;
}

const ROLES = ["gateways", "workers", "collectors"] as const;
const SERVERS: readonly ServerName[] = ["postgres", "redis", "rabbitmq"];
/** A point is armed for one of its first hits, so that a process reaches it while work is under way. */
const NTH_MAX = 50;
const ROLE_OF_POINT = {
  G: "gateways",
  W: "workers",
  C: "collectors",
  K: "collectors",
  D: "collectors",
} as const;

const between = (random: () => number, min: number, max: number): number =>
  Math.floor(min + random() * (max - min + 1));

function pick<Item>(random: () => number, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error("there is nothing to pick from");
  return item;
}

const pickComponent = ({ stack, random }: Target): Component =>
  pick(random, stack[pick(random, ROLES)]);

async function forAWhile(
  random: () => number,
  maxMs: number,
  begin: () => void,
  end: () => void,
): Promise<number> {
  const ms = between(random, 500, maxMs);
  begin();
  await Bun.sleep(ms);
  end();
  return ms;
}

export const DISTURBANCES: readonly Disturbance[] = [
  {
    name: "kill a process",
    weight: 6,
    run: async (target) => {
      const victim = pickComponent(target);
      await victim.kill();
      return victim.name;
    },
  },
  {
    name: "kill all of a role",
    weight: 2,
    run: async ({ stack, random }) => {
      const role = pick(random, ROLES);
      await Promise.all(stack[role].map((component) => component.kill()));
      return role;
    },
  },
  {
    name: "stop a process in order",
    weight: 3,
    run: async (target) => {
      const victim = pickComponent(target);
      victim.signal("SIGTERM");
      return victim.name;
    },
  },
  {
    name: "stop a process twice",
    weight: 2,
    run: async (target) => {
      const victim = pickComponent(target);
      victim.signal("SIGTERM");
      await Bun.sleep(between(target.random, 0, 200));
      victim.signal("SIGTERM");
      return victim.name;
    },
  },
  {
    name: "freeze a process",
    weight: 4,
    run: async (target) => {
      const victim = pickComponent(target);
      const ms = await forAWhile(
        target.random,
        8_000,
        () => victim.signal("SIGSTOP"),
        () => victim.signal("SIGCONT"),
      );
      return `${victim.name} for ${ms} ms`;
    },
  },
  {
    name: "crash at a point",
    weight: 6,
    run: async ({ stack, random }) => {
      const point = pick(random, Object.keys(CRASH_POINTS) as CrashPoint[]);
      const role = ROLE_OF_POINT[point.charAt(0) as keyof typeof ROLE_OF_POINT];
      const victim = pick(random, stack[role]);
      const nth = point.startsWith("K") ? 1 : between(random, 1, NTH_MAX);
      await victim.kill();
      await victim.start({ CRASH_AT: `${point}:${nth}` }).catch(() => {});
      return `${victim.name} at ${point}:${nth}`;
    },
  },
  {
    name: "crash a server",
    weight: 2,
    run: async ({ servers, random }) => {
      const name = pick(random, SERVERS);
      await servers.end(name, "crash");
      await Bun.sleep(between(random, 0, 2_000));
      await servers.start();
      return name;
    },
  },
  {
    name: "restart a server",
    weight: 1,
    run: async ({ servers, random }) => {
      const name = pick(random, SERVERS);
      await servers.end(name, "in order");
      await servers.start();
      return name;
    },
  },
  {
    name: "freeze a server",
    weight: 2,
    run: async ({ servers, random }) => {
      const name = pick(random, SERVERS);
      const ms = await forAWhile(
        random,
        6_000,
        () => servers.freeze(name),
        () => servers.thaw(name),
      );
      return `${name} for ${ms} ms`;
    },
  },
  {
    name: "empty Redis",
    weight: 2,
    run: async ({ stack }) => {
      await stack.books.redis.run(({ client }) => client.flushall());
      return "FLUSHALL";
    },
  },
  {
    name: "flush the scripts",
    weight: 1,
    run: async ({ stack }) => {
      await stack.books.redis.run(({ client }) => client.script("FLUSH"));
      return "SCRIPT FLUSH";
    },
  },
  {
    name: "roll Redis back",
    weight: 1,
    run: async ({ servers, random }) => {
      servers.saveRedis();
      const ms = between(random, 500, 4_000);
      await Bun.sleep(ms);
      await servers.end("redis", "crash");
      servers.restoreRedis();
      await servers.start();
      return `by ${ms} ms`;
    },
  },
  {
    name: "purge a queue",
    weight: 1,
    run: async ({ stack, random }) => {
      const { broker, queues } = stack.books;
      const path = [queues.requests, queues.results, ...queues.waits.map(({ queue }) => queue)];
      const { name } = pick(random, path);
      const { messageCount } = await broker.withChannel((channel) => channel.purgeQueue(name));
      return `${messageCount} messages of ${name}`;
    },
  },
  {
    name: "cut the links of a server",
    weight: 2,
    run: async ({ proxies, random }) => {
      pick(random, proxies).cut();
      return "once";
    },
  },
  {
    name: "refuse connections",
    weight: 1,
    run: async ({ proxies, random }) => {
      const proxy = pick(random, proxies);
      const ms = await forAWhile(random, 3_000, proxy.refuse, proxy.heal);
      return `for ${ms} ms`;
    },
  },
  {
    name: "let a server vanish",
    weight: 1,
    run: async ({ proxies, random }) => {
      const proxy = pick(random, proxies);
      const ms = await forAWhile(random, 6_000, proxy.blackhole, proxy.heal);
      return `for ${ms} ms`;
    },
  },
  {
    name: "slow a link down",
    weight: 2,
    run: async ({ proxies, random }) => {
      const proxy = pick(random, proxies);
      const latencyMs = between(random, 5, 150);
      const ms = await forAWhile(random, 4_000, () => proxy.setLatency(latencyMs), proxy.heal);
      return `by ${latencyMs} ms for ${ms} ms`;
    },
  },
];

/** One of the disturbances, by weight. */
export function drawDisturbance(random: () => number): Disturbance {
  const total = DISTURBANCES.reduce((sum, { weight }) => sum + weight, 0);
  let left = random() * total;
  for (const disturbance of DISTURBANCES) {
    left -= disturbance.weight;
    if (left < 0) return disturbance;
  }
  throw new Error("nothing was drawn");
}
