import { addressOf } from "../../adapters/redis/options.ts";
import { readAmqpUrl } from "../../core/config/amqp-url.ts";
import { readPostgresUrl } from "../../core/config/postgres-url.ts";
import type { Config } from "../../core/config/schema.ts";
import type { TlsConfig } from "../../core/config/tls-schema.ts";
import { configOf, podOf } from "./config.ts";
import {
  isWorkload,
  ofKind,
  type PostgresCluster,
  type RabbitmqClusterResource,
  type Service,
} from "./resources.ts";
import type { Resource } from "./schemas/check-schema.ts";

/** A pod, or all pods of a group, by the labels that selectors see. */
export interface Pods {
  name: string;
  labels: Record<string, string>;
  /** The secret with the certificate that it shows as a server. */
  certificate: string | undefined;
}

/** A connection that a role makes by its configuration. */
export interface Link {
  from: string;
  host: string;
  port: number;
  tls: TlsConfig | undefined;
}

const REDIS_PORT = 6379;

const ofPostgres = ({ postgres }: Config) =>
  readPostgresUrl(postgres.url).hosts.map((one) => ({ ...one, tls: postgres.tls }));

function ofRedis({ redis: { url, sentinels, tls } }: Config) {
  if (sentinels === undefined) {
    const { hostname: host, port } = new URL(url);
    return [{ host, port: Number(port || REDIS_PORT), tls }];
  }
  // Each Sentinel is in the pod of a server, and names the master by the same host.
  return sentinels.nodes.map(addressOf).flatMap(({ host, port }) => [
    { host, port, tls: sentinels.tls ?? tls },
    { host, port: REDIS_PORT, tls },
  ]);
}

function ofRabbitmq({ amqp: { url, more_urls: more, tls } }: Config) {
  return [url, ...more].map(readAmqpUrl).map(({ hostname: host, port }) => ({ host, port, tls }));
}

const ofModels = ({ models }: Config) =>
  Object.values(models).flatMap(({ url, urls, tls }) =>
    [url, ...urls]
      .map((text) => new URL(text))
      .map(({ hostname: host, port, protocol }) => ({
        host,
        port: Number(port || (protocol === "https:" ? 443 : 80)),
        tls,
      })),
  );

export const PROGRAMS = ["gateway", "worker", "collector", "migrate"] as const;
export type Program = (typeof PROGRAMS)[number];

/** Which servers each program speaks to. */
const USES: Record<Program, readonly ((config: Config) => Omit<Link, "from">[])[]> = {
  gateway: [ofPostgres, ofRedis, ofRabbitmq],
  worker: [ofRedis, ofRabbitmq, ofModels],
  collector: [ofPostgres, ofRedis, ofRabbitmq],
  migrate: [ofPostgres],
};

export function linksOf(resources: readonly Resource[], program: Program): Link[] {
  const config = configOf(resources, program);
  return USES[program].flatMap((read) => read(config).map((link) => ({ from: program, ...link })));
}

/** All pods, those too that operators make. */
export function podsOf(resources: readonly Resource[]): Pods[] {
  return [
    ...resources.filter(isWorkload).map((one) => ({
      name: one.metadata.name,
      labels: one.spec.template.metadata?.labels ?? {},
      certificate: podOf(one).volumes?.find(({ name }) => name === "tls")?.secret?.secretName,
    })),
    ...ofKind<PostgresCluster>(resources, "Cluster").map(({ metadata, spec }) => ({
      name: metadata.name,
      labels: { ...spec.inheritedMetadata?.labels, "cnpg.io/cluster": metadata.name },
      certificate: spec.certificates.serverTLSSecret,
    })),
    ...ofKind<RabbitmqClusterResource>(resources, "RabbitmqCluster").map(({ metadata, spec }) => ({
      name: metadata.name,
      labels: spec.override.statefulSet.spec.template.metadata.labels,
      certificate: spec.tls.secretName,
    })),
  ];
}

/** The pods behind a host: a Service, a pod of a headless one, or a Service that an operator makes. */
export function podsAt(resources: readonly Resource[], host: string): Pods {
  const services = ofKind<Service>(resources, "Service");
  const [first = "", second] = host.split(".");
  const service = services.find(({ metadata }) => [first, second].includes(metadata.name));
  const found = podsOf(resources).find(({ name, labels }) =>
    service === undefined
      ? [name, `${name}-rw`].includes(first)
      : Object.entries(service.spec.selector ?? {}).every(([key, value]) => labels[key] === value),
  );
  if (found === undefined) throw new Error(`nothing is at ${host}`);
  return found;
}
