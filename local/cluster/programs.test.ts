import { expect, test } from "bun:test";
import { dirname } from "node:path";

import { describeProgram, PROGRAM_NAMES } from "./programs.ts";

const env = { TOLLGATE_CACHE: "/cache" };

test("programs of one source and version stand in one folder, whose name has the version", () => {
  const folders = PROGRAM_NAMES.map((name) => dirname(describeProgram(name, env).path));

  expect([...new Set(folders)]).toEqual([
    expect.stringMatching(/^\/cache\/etcd-3\.\d+\.\d+-[0-9a-f]{12}$/),
    expect.stringMatching(/^\/cache\/kubernetes-1\.34\.\d+-[0-9a-f]{12}$/),
  ]);
});

test("Kubernetes' programs are told the version that go.mod pins", () => {
  const { version, flags } = describeProgram("kubelet", env);

  expect(flags.join(" ")).toContain(`k8s.io/component-base/version.gitVersion=v${version} `);
});
