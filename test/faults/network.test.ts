import { afterAll, expect } from "bun:test";

import type { ServerUrls } from "../../adapters/state/server-urls.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { untilAccepting } from "./progress.ts";
import { scenariosOnStack } from "./scenarios.ts";

const TITLES = {
  postgres: "PostgreSQL",
  redis: "Redis",
  amqp: "RabbitMQ",
  ml: "the ML service",
} as const;
type Link = keyof typeof TITLES;
const LINKS = Object.keys(TITLES) as Link[];

const LATENCY_MS = 200;
const PHASE_MS = 600;
/** Longer than the processes wait for a reply of each server; for RabbitMQ three of its heartbeats. */
const VANISHED_MS: Record<Link, number> = { postgres: 3_500, redis: 2_500, amqp: 6_000, ml: 3_000 };

const proxies = new Map<Link, TcpProxy>();

async function throughProxy(link: Link, url: string): Promise<string> {
  const proxy = await startTcpProxy(url);
  proxies.set(link, proxy);
  return proxy.url.replace(/\/$/, "");
}

const scenario = scenariosOnStack(() =>
  Promise.resolve({
    through: async ({ postgres, redis, amqp }: ServerUrls) => ({
      postgres: await throughProxy("postgres", postgres),
      redis: await throughProxy("redis", redis),
      amqp: await throughProxy("amqp", amqp),
    }),
    throughMl: (url: string) => throughProxy("ml", url),
    // When a link vanishes for seconds, retries must outlive that; requests must not end.
    settings: { retry: { attempts_max: 12 } },
  }),
);
afterAll(() => Promise.all([...proxies.values()].map((proxy) => proxy.stop())));

function proxyOf(link: Link): TcpProxy {
  const proxy = proxies.get(link);
  if (proxy === undefined) throw new Error(`there is no proxy before ${link}`);
  return proxy;
}

for (const link of LINKS) {
  scenario(
    `the link to ${TITLES[link]} is slow, cut and refused, and nothing is lost`,
    async (scene) => {
      const proxy = proxyOf(link);
      await untilAccepting(scene);
      expect(proxy.connections()).toBeGreaterThan(0);
      proxy.setLatency(LATENCY_MS);
      await Bun.sleep(PHASE_MS);
      proxy.cut();
      await Bun.sleep(PHASE_MS);
      proxy.refuse();
      await Bun.sleep(PHASE_MS);
      proxy.heal();
      await untilAccepting(scene);
    },
  );

  scenario(
    `${TITLES[link]} vanishes without closing a connection, and nothing hangs or is lost`,
    async (scene) => {
      await untilAccepting(scene);
      proxyOf(link).blackhole();
      await Bun.sleep(VANISHED_MS[link]);
      proxyOf(link).heal();
      await untilAccepting(scene);
    },
  );
}
