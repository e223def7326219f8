import { join } from "node:path";

import type { Kubectl } from "./kubectl.ts";
import { NAMESPACE } from "./parts.ts";

/** To whom a server speaks. */
export interface Spoken {
  name: string;
  withoutTls: boolean;
  withoutCertificate: boolean;
  withCertificate: boolean;
}

const redis = "redis-0.redis-nodes.tollgate.svc.cluster.local";
/** From a pod that the network policies let through, so that it is the server that refuses. */
const SERVERS_OF = {
  collector: [
    { name: "PostgreSQL", host: "postgres-rw.tollgate.svc", port: 5432, protocol: "postgres" },
    { name: "Redis", host: redis, port: 6379, protocol: "redis" },
    { name: "Sentinel", host: redis, port: 26_379, protocol: "redis" },
    { name: "RabbitMQ", host: "rabbitmq.tollgate.svc", port: 5671, protocol: "amqp" },
  ],
  worker: [{ name: "the ML service", host: "ml.tollgate.svc", port: 8000, protocol: "http" }],
} as const;

/** Asks every server with no TLS, with TLS alone, and as Tollgate does. */
export async function seeMutualTls(kubectl: Kubectl): Promise<Spoken[]> {
  const probe = await Bun.file(join(import.meta.dir, "probe.ts")).text();
  const found: Spoken[] = [];
  for (const [role, servers] of Object.entries(SERVERS_OF)) {
    const out = await kubectl.run(
      ["-n", NAMESPACE, "exec", "-i", `deploy/${role}`, "--", "sh", "-c"].concat(
        'cat > /tmp/probe.ts && exec bun /tmp/probe.ts "$0" /etc/tollgate-client',
        JSON.stringify(servers),
      ),
      { input: probe },
    );
    found.push(...(JSON.parse(out) as Spoken[]));
  }
  return found;
}

/** What a server says to somebody to whom it should not, or does not say to us. */
export const wronglySpoken = (found: readonly Spoken[]): string[] =>
  found.flatMap(({ name, withoutTls, withoutCertificate, withCertificate }) => [
    ...(withoutTls ? [`${name} speaks without TLS`] : []),
    ...(withoutCertificate ? [`${name} speaks to whoever shows no certificate`] : []),
    ...(withCertificate ? [] : [`${name} does not speak to a certificate of the authority`]),
  ]);
