import { expect, test } from "bun:test";
import { basename, dirname } from "node:path";

import { describeProgram, PROGRAM_NAMES } from "./programs.ts";

const env = { TOLLGATE_CACHE: "/cache" };

test("programs of one source stand in one folder of their own, whose name has the version", () => {
  const programs = PROGRAM_NAMES.map((name) => describeProgram(name, env));
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
