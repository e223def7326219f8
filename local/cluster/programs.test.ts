import { expect, test } from "bun:test";
import { basename, dirname } from "node:path";

import { type OperatorName, OPERATORS } from "./operators.ts";
import { describeProgram, programsOf } from "./programs.ts";
import { GROUPS, type ProgramName } from "./sources.ts";

const env = { TOLLGATE_CACHE: "/cache" };

test("programs of one source stand in one folder of their own, whose name has the version", () => {
  const programs = GROUPS.flatMap(programsOf).map((name) => describeProgram(name, env));
  const bySource = Map.groupBy(programs, ({ sourceFolder }) => basename(sourceFolder));

  expect([...bySource.keys()]).toContain("kubernetes");
  for (const [source, ones] of bySource) {
    const folders = [...new Set(ones.map(({ path }) => dirname(path)))];
    const named = new RegExp(`^/cache/${source}-${ones[0]?.version}-[0-9a-f]{12}$`);

    expect(folders).toEqual([expect.stringMatching(named)]);
  }
});

test("Kubernetes' programs are told the version that go.mod pins", () => {
  const { version, flags } = describeProgram("kubelet", env);

  expect(flags.join(" ")).toContain(`k8s.io/component-base/version.gitVersion=v${version} `);
});

test("an operator's program has the version of its definitions", () => {
  const pairs = {
    keda: "keda-operator",
    prometheus: "prometheus-operator",
    cloudnativepg: "cloudnativepg-manager",
    "barman-cloud": "barman-cloud-manager",
    "rabbitmq-cluster": "rabbitmq-cluster-operator",
    "rabbitmq-topology": "rabbitmq-topology-operator",
    "cert-manager": "cert-manager-controller",
  } as const satisfies Record<OperatorName, ProgramName>;

  for (const [operator, program] of Object.entries(pairs)) {
    const { version } = OPERATORS[operator as OperatorName];

    expect([operator, `v${describeProgram(program, env).version}`]).toEqual([operator, version]);
  }
});
