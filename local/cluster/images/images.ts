import type { Group, ProgramName } from "../sources.ts";

/** Kept in Buildah's storage too, because others stand on them. */
export const BASES = ["debian", "node", "tollgate"] as const;
type BaseName = (typeof BASES)[number];

/** An image that pods name, made here: nothing is pulled. */
export interface Image {
  reference: string;
  group: Exclude<Group, "api">;
  /** Our Dockerfile is in the folder of the image's name; without one the image is its programs alone. */
  isDockerfile?: true;
  /** The image that the Dockerfile's argument BASE names. */
  base?: BaseName;
  /** Programs of Go, by their path in the image; for a Dockerfile, in its context. */
  programs?: Readonly<Record<string, ProgramName>>;
  /** Where it differs from 65532:65532. */
  user?: string;
}

const program = (
  group: Image["group"],
  reference: string,
  path: string,
  name: ProgramName,
): Image => ({ group, reference, programs: { [path]: name } });

const debian = (group: Image["group"], reference: string): Image => ({
  group,
  reference,
  isDockerfile: true,
  base: "debian",
});

/** In the order in which they are made: a base before what stands on it. */
const TABLE = {
  pause: program("dev", "registry.k8s.io/pause:3.10", "/pause", "pause"),
  debian: { group: "dev", reference: "docker.io/library/debian:trixie-slim", isDockerfile: true },
  redis: debian("dev", "docker.io/library/redis:8.2.1"),
  postgres: debian("dev", "docker.io/library/postgres:17.6"),
  rabbitmq: debian("dev", "docker.io/library/rabbitmq:4.1.4-management"),
  prometheus: debian("dev", "quay.io/prometheus/prometheus:v2.53.3"),
  // No pod runs it: Tollgate's Dockerfile builds with it.
  node: debian("dev", "localhost/node:24-trixie-slim"),
  tollgate: { group: "dev", reference: "docker.io/library/tollgate:dev", base: "debian" },
  "tollgate-next": {
    group: "dev",
    reference: "docker.io/library/tollgate:next",
    isDockerfile: true,
    base: "tollgate",
  },
  coredns: program("dev", "registry.k8s.io/coredns/coredns:v1.15.0", "/coredns", "coredns"),
  "metrics-server": program(
    "dev",
    "registry.k8s.io/metrics-server/metrics-server:v0.8.0",
    "/metrics-server",
    "metrics-server",
  ),
  "prometheus-operator": program(
    "dev",
    "quay.io/prometheus-operator/prometheus-operator:v0.85.0",
    "/bin/operator",
    "prometheus-operator",
  ),
  "prometheus-config-reloader": program(
    "dev",
    "quay.io/prometheus-operator/prometheus-config-reloader:v0.85.0",
    "/bin/prometheus-config-reloader",
    "prometheus-config-reloader",
  ),
  "keda-operator": program("dev", "ghcr.io/kedacore/keda:2.20.2", "/keda", "keda-operator"),
  "keda-adapter": program(
    "dev",
    "ghcr.io/kedacore/keda-metrics-apiserver:2.20.2",
    "/keda-adapter",
    "keda-adapter",
  ),
  "keda-webhooks": program(
    "dev",
    "ghcr.io/kedacore/keda-admission-webhooks:2.20.2",
    "/keda-admission-webhooks",
    "keda-webhooks",
  ),
  "cert-manager-controller": program(
    "production",
    "quay.io/jetstack/cert-manager-controller:v1.21.0",
    "/controller",
    "cert-manager-controller",
  ),
  "cert-manager-webhook": program(
    "production",
    "quay.io/jetstack/cert-manager-webhook:v1.21.0",
    "/webhook",
    "cert-manager-webhook",
  ),
  "cert-manager-cainjector": program(
    "production",
    "quay.io/jetstack/cert-manager-cainjector:v1.21.0",
    "/cainjector",
    "cert-manager-cainjector",
  ),
  "rabbitmq-cluster-operator": program(
    "production",
    "docker.io/rabbitmqoperator/cluster-operator:2.16.0",
    "/manager",
    "rabbitmq-cluster-operator",
  ),
  "rabbitmq-topology-operator": program(
    "production",
    "docker.io/rabbitmqoperator/messaging-topology-operator:1.17.4",
    "/manager",
    "rabbitmq-topology-operator",
  ),
  cloudnativepg: {
    group: "production",
    reference: "ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0",
    // The second one is what it puts into pods to renew the manager there.
    programs: {
      "/manager": "cloudnativepg-manager",
      [`/operator/manager_${goArchitecture()}`]: "cloudnativepg-manager",
    },
  },
  "cnpg-postgres": debian("production", "ghcr.io/cloudnative-pg/postgresql:17.6"),
  "barman-cloud": program(
    "production",
    "ghcr.io/cloudnative-pg/plugin-barman-cloud:v0.14.0",
    "/manager",
    "barman-cloud-manager",
  ),
  "barman-cloud-sidecar": {
    ...debian("production", "ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:v0.14.0"),
    programs: { "/manager": "barman-cloud-manager" },
  },
  versitygw: program("production", "docker.io/versity/versitygw:v1.8.0", "/versitygw", "versitygw"),
  vllm: {
    group: "production",
    reference: "docker.io/vllm/vllm-openai:v0.10.2",
    isDockerfile: true,
    base: "tollgate",
  },
} as const satisfies Record<string, Image>;
export type ImageName = keyof typeof TABLE;

export const IMAGES: Readonly<Record<ImageName, Image>> = TABLE;

export const imagesOf = (group: Image["group"]): ImageName[] =>
  (Object.keys(IMAGES) as ImageName[]).filter((name) => IMAGES[name].group === group);

function goArchitecture(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}
