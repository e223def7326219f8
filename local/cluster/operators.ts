/** An operator that `k8s/` needs, as the module proxy has it. */
export interface Operator {
  module: string;
  version: string;
  /** As go.sum would have it: the proxy cannot give us anything else. */
  sum: string;
  /** The folder of its custom resource definitions. */
  definitions: string;
}

/**
 * Newest versions that the Go module proxy serves; RabbitMQ's cluster operator is newer than this (2.22.3),
 * its v1beta1 API is the same.
 */
export const OPERATORS = {
  keda: {
    module: "github.com/kedacore/keda/v2",
    version: "v2.20.2",
    sum: "h1:SR60v8uIcelbveS8n/1jcl8tLdBBIbHMxmdOHw8tKqA=",
    definitions: "config/crd/bases",
  },
  "cert-manager": {
    module: "github.com/cert-manager/cert-manager",
    version: "v1.21.0",
    sum: "h1:BCoB2BxA1lbqPusZCqPLPn8Q9MhraL7RbZGHbBcm3W8=",
    definitions: "deploy/crds",
  },
  prometheus: {
    module: "github.com/prometheus-operator/prometheus-operator",
    version: "v0.85.0",
    sum: "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    definitions: "example/prometheus-operator-crd",
  },
  cloudnativepg: {
    module: "github.com/cloudnative-pg/cloudnative-pg",
    version: "v1.30.0",
    sum: "h1:fnhVq44xXx97MNiuvJsPrX1vSjYbgdyBK5MSGfdHdp0=",
    definitions: "config/crd/bases",
  },
  "barman-cloud": {
    module: "github.com/cloudnative-pg/plugin-barman-cloud",
    version: "v0.14.0",
    sum: "h1:kpTo7egntRIM15hvo0xtOj07wyjj23jcz/Co0KfzC7s=",
    definitions: "config/crd/bases",
  },
  "rabbitmq-cluster": {
    module: "github.com/rabbitmq/cluster-operator/v2",
    version: "v2.16.0",
    sum: "h1:oYJm+1tXIatGHtiUWyN9hGdO+0eWsXA/j1b81wh0IqI=",
    definitions: "config/crd/bases",
  },
  "rabbitmq-topology": {
    module: "github.com/rabbitmq/messaging-topology-operator",
    version: "v1.17.4",
    sum: "h1:WCvf2BolzOwX8czc52EM/KMluKgjHRUIWs5DtubWUB8=",
    definitions: "config/crd/bases",
  },
} as const satisfies Record<string, Operator>;
export type OperatorName = keyof typeof OPERATORS;
