/** What is built for what: the stage `api` of the tests, the drill beside it, and production's operators. */
export const GROUPS = ["api", "dev", "production"] as const;
export type Group = (typeof GROUPS)[number];

/** A Go module that programs are built from. */
export interface Source {
  /** A folder below `build/` has a go.mod and a go.sum that pin every module of its programs. */
  module: string;
  group: Group;
  /** Strings that the linker puts in, by their Go names; `version` as go.mod has it, without the v. */
  strings?: (version: string) => Record<string, string>;
}

const kubernetesStrings = (version: string): Record<string, string> => {
  const [major = "", minor = ""] = version.split(".");
  const values = {
    gitVersion: `v${version}`,
    gitMajor: major,
    gitMinor: minor,
    gitCommit: "none",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
  };
  return Object.fromEntries(
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((path) =>
      Object.entries(values).map(([name, value]) => [`${path}.${name}`, value]),
    ),
  );
};

/** Programs ask each other for their version; a build outside of a project's own scripts has to set it. */
export const SOURCES = {
  pause: { module: "tollgate/local/cluster/build/pause", group: "dev" },
  etcd: { module: "go.etcd.io/etcd/server/v3", group: "api" },
  helm: { module: "helm.sh/helm/v3", group: "api" },
  kubernetes: { module: "k8s.io/kubernetes", group: "api", strings: kubernetesStrings },
  coredns: { module: "github.com/coredns/coredns", group: "dev" },
  "kube-router": { module: "github.com/cloudnativelabs/kube-router/v2", group: "dev" },
  "metrics-server": { module: "sigs.k8s.io/metrics-server", group: "dev" },
  "prometheus-operator": {
    module: "github.com/prometheus-operator/prometheus-operator",
    group: "dev",
  },
  keda: {
    module: "github.com/kedacore/keda/v2",
    group: "dev",
    strings: (version) => ({ "github.com/kedacore/keda/v2/version.Version": version }),
  },
  "cert-manager": {
    module: "github.com/cert-manager/cert-manager",
    group: "production",
    strings: (version) => ({
      "github.com/cert-manager/cert-manager/pkg/util.AppVersion": `v${version}`,
    }),
  },
  versitygw: { module: "github.com/versity/versitygw", group: "production" },
  "rabbitmq-cluster-operator": {
    module: "github.com/rabbitmq/cluster-operator/v2",
    group: "production",
  },
  "rabbitmq-topology-operator": {
    module: "github.com/rabbitmq/messaging-topology-operator",
    group: "production",
  },
  cloudnativepg: { module: "github.com/cloudnative-pg/cloudnative-pg", group: "production" },
  "barman-cloud": {
    module: "github.com/cloudnative-pg/plugin-barman-cloud",
    group: "production",
  },
} as const satisfies Record<string, Source>;
export type SourceName = keyof typeof SOURCES;

/**
 * The programs, by the source and by the package below its module (with a dot first: below our own folder);
 * quick ones first.
 */
export const PACKAGE_OF = {
  pause: ["pause", "."],
  etcd: ["etcd", "."],
  helm: ["helm", "cmd/helm"],
  kubectl: ["kubernetes", "cmd/kubectl"],
  "kube-apiserver": ["kubernetes", "cmd/kube-apiserver"],
  "kube-scheduler": ["kubernetes", "cmd/kube-scheduler"],
  "kube-proxy": ["kubernetes", "cmd/kube-proxy"],
  "kube-controller-manager": ["kubernetes", "cmd/kube-controller-manager"],
  kubelet: ["kubernetes", "cmd/kubelet"],
  coredns: ["coredns", "."],
  "kube-router": ["kube-router", "cmd/kube-router"],
  "metrics-server": ["metrics-server", "cmd/metrics-server"],
  "prometheus-operator": ["prometheus-operator", "cmd/operator"],
  "prometheus-config-reloader": ["prometheus-operator", "cmd/prometheus-config-reloader"],
  "keda-webhooks": ["keda", "cmd/webhooks"],
  "keda-adapter": ["keda", "cmd/adapter"],
  "keda-operator": ["keda", "cmd/operator"],
  "cert-manager-webhook": ["cert-manager", "./webhook"],
  "cert-manager-cainjector": ["cert-manager", "./cainjector"],
  "cert-manager-controller": ["cert-manager", "./controller"],
  versitygw: ["versitygw", "cmd/versitygw"],
  "rabbitmq-cluster-operator": ["rabbitmq-cluster-operator", ""],
  "rabbitmq-topology-operator": ["rabbitmq-topology-operator", ""],
  "cloudnativepg-manager": ["cloudnativepg", "cmd/manager"],
  "barman-cloud-manager": ["barman-cloud", "cmd/manager"],
} as const satisfies Record<string, readonly [source: SourceName, goPackage: string]>;
export type ProgramName = keyof typeof PACKAGE_OF;
