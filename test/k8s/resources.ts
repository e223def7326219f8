import type { Resource } from "./schemas/check-schema.ts";

/**
 * The parts of resources that the checks read; `schemaProblems` has checked this shape before.
 */
export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef?: { name: string; key: string } };
}

export interface Container {
  name: string;
  image: string;
  args?: string[];
  env?: EnvVar[];
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: {
    allowPrivilegeEscalation?: boolean;
    readOnlyRootFilesystem?: boolean;
    capabilities?: { drop?: string[] };
  };
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  volumeMounts?: { name: string; mountPath: string }[];
}

interface Probe {
  initialDelaySeconds?: number;
  httpGet?: { path: string; port: string | number; scheme?: string };
  exec?: { command: string[] };
}

export interface PodSpec {
  automountServiceAccountToken?: boolean;
  terminationGracePeriodSeconds?: number;
  serviceAccountName?: string;
  securityContext?: {
    runAsNonRoot?: boolean;
    seccompProfile?: { type: string };
    fsGroup?: number;
    fsGroupChangePolicy?: string;
  };
  initContainers?: Container[];
  containers: Container[];
  volumes?: {
    name: string;
    configMap?: { name: string };
    secret?: { secretName: string; items?: { key: string }[] };
  }[];
}

export interface Workload extends Resource {
  kind: "Deployment" | "StatefulSet" | "Job";
  spec: {
    replicas?: number;
    template: { metadata?: { labels?: Record<string, string> }; spec: PodSpec };
  };
}

export interface ConfigMap extends Resource {
  data?: Record<string, string>;
}

export interface Secret extends Resource {
  data?: Record<string, string>;
  stringData?: Record<string, string>;
}

export interface Trigger {
  type: string;
  name?: string;
  metricType?: string;
  metadata: Record<string, string>;
  authenticationRef?: { name: string };
}

export interface ScaledObject extends Resource {
  spec: {
    scaleTargetRef: { name: string };
    minReplicaCount?: number;
    maxReplicaCount?: number;
    triggers: Trigger[];
  };
}

interface Parameter {
  parameter: string;
  name: string;
  key: string;
}

export interface TriggerAuthentication extends Resource {
  spec: { secretTargetRef?: Parameter[]; configMapTargetRef?: Parameter[] };
}

export interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  annotations?: Record<string, string>;
}

export interface PrometheusRule extends Resource {
  spec: { groups: { name: string; rules: Rule[] }[] };
}

export interface Certificate extends Resource {
  spec: { secretName: string; commonName?: string; dnsNames?: string[]; usages?: string[] };
}

/** Of Prometheus' operator. */
export interface PodMonitor extends Resource {
  spec: {
    podMetricsEndpoints: {
      scheme?: string;
      tlsConfig?: { ca: { secret: { name: string; key: string } }; serverName: string };
    }[];
  };
}

/** Labels that a pod must have. */
export interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string };
}

export interface NetworkPolicy extends Resource {
  spec: {
    podSelector: Selector;
    policyTypes: ("Ingress" | "Egress")[];
    ingress?: { from?: Peer[]; ports?: { port: number }[] }[];
    egress?: { to?: Peer[]; ports?: { port: number }[] }[];
  };
}

export interface Service extends Resource {
  spec: { selector?: Record<string, string> };
}

/** Of RabbitMQ's topology operator. */
export interface RabbitmqUserResource extends Resource {
  spec: { tags?: string[] };
}

export interface Permission extends Resource {
  spec: {
    userReference?: { name: string };
    permissions: { configure: string; write: string; read: string };
  };
}

/** Of CloudNativePG. */
export interface PostgresCluster extends Resource {
  spec: {
    inheritedMetadata?: { labels?: Record<string, string> };
    postgresql: { pg_hba: string[] };
    certificates: Record<
      "serverTLSSecret" | "serverCASecret" | "clientCASecret" | "replicationTLSSecret",
      string
    >;
  };
}

/** Of RabbitMQ's cluster operator. */
export interface RabbitmqClusterResource extends Resource {
  spec: {
    tls: { secretName: string; caSecretName: string; disableNonTLSListeners?: boolean };
    rabbitmq: { additionalConfig: string };
    override: {
      statefulSet: { spec: { template: { metadata: { labels: Record<string, string> } } } };
    };
  };
}

const WORKLOADS = new Set(["Deployment", "StatefulSet", "Job"]);
export const isWorkload = (resource: Resource): resource is Workload =>
  WORKLOADS.has(resource.kind);

export const ofKind = <Kind extends Resource>(
  resources: readonly Resource[],
  kind: string,
): Kind[] => resources.filter((resource) => resource.kind === kind) as Kind[];
