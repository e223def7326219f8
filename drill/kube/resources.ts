/** The parts of Kubernetes' objects that the drill reads. */
export interface Meta {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
  creationTimestamp?: string;
  deletionTimestamp?: string;
}

export interface List<Item> {
  items: Item[];
}

export interface Deployment {
  metadata: Meta & { generation?: number };
  spec: { replicas?: number; template: { spec: { containers: { image: string }[] } } };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
  };
}

export interface Pod {
  metadata: Meta;
  spec: { containers: { image: string }[] };
  status?: {
    phase?: string;
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: {
      restartCount: number;
      ready: boolean;
      image: string;
      state?: { running?: object };
    }[];
  };
}

export interface Job {
  status?: { succeeded?: number; completionTime?: string };
}

export interface ClusterEvent {
  reason: string;
  message: string;
  firstTimestamp?: string | null;
  lastTimestamp?: string | null;
  involvedObject: { kind: string; name: string };
}

export interface ScaledObject {
  metadata: Meta;
  spec: { triggers: { name?: string; type: string }[] };
  status?: {
    conditions?: { type: string; status: string }[];
    triggersActivity?: Record<string, { isActive?: boolean }>;
  };
}

export const isReady = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;

/** The label by which roles and servers are found. */
export const NAME_LABEL = "app.kubernetes.io/name";
