import { describe, expect, test } from "bun:test";

import { adapt } from "./adapt-manifest.ts";
import { IMAGES } from "./images/images.ts";

const deployment = (image: string, namespace = "default") => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "operator", namespace },
  spec: { template: { spec: { containers: [{ name: "one", image, imagePullPolicy: "Always" }] } } },
});
const containerOf = (resources: unknown[], index: number) =>
  (resources[index] as ReturnType<typeof deployment>).spec.template.spec.containers[0];

describe("an operator's manifest", () => {
  test("runs our image of its repository, and pulls none", () => {
    const adapted = adapt([deployment("ghcr.io/kedacore/keda:main")]);

    expect(containerOf(adapted, 0)).toMatchObject({
      image: IMAGES["keda-operator"].reference,
      imagePullPolicy: "Never",
    });
  });

  test("that wants an image that is not made is refused", () => {
    expect(() => adapt([deployment("ghcr.io/kedacore/other:1")])).toThrow(
      "no image is made for ghcr.io/kedacore/other:1",
    );
  });

  test("moves out of the default namespace, its accounts too, into one that it makes", () => {
    const binding = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "operator" },
      subjects: [{ kind: "ServiceAccount", name: "operator", namespace: "default" }],
    };

    const adapted = adapt([deployment("ghcr.io/kedacore/keda:main"), binding], "monitoring");

    expect(adapted).toMatchObject([
      { kind: "Namespace", metadata: { name: "monitoring" } },
      { metadata: { namespace: "monitoring" } },
      { subjects: [{ namespace: "monitoring" }] },
    ]);
  });

  test("lets metrics-server trust kubelets that sign for themselves", () => {
    const adapted = adapt([deployment("gcr.io/k8s-staging-metrics-server/metrics-server:master")]);

    expect(containerOf(adapted, 0)).toMatchObject({ args: ["--kubelet-insecure-tls"] });
  });
});
