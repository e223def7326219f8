import { expect, test } from "bun:test";

import { parseVersion, planTools, type ToolName } from "./tools.ts";

const all = new Set<ToolName>(["wrk", "k6", "bento"]);

test("what is on the machine is taken and nothing is installed", () => {
  const paths = { wrk: "/usr/bin/wrk", k6: "/k6", bento: "/bento" };

  expect(planTools(all, { paths })).toEqual({
    tools: {
      wrk: { command: "/usr/bin/wrk" },
      k6: { command: "/k6" },
      bento: { command: "/bento" },
    },
    packages: {},
    builds: [],
  });
});

test("what no scenario needs is not brought", () => {
  expect(planTools(new Set(), { paths: {} })).toEqual({ tools: {}, packages: {}, builds: [] });
});

test("Go is installed along with wrk when its package can build k6 and Bento", () => {
  const { builds, packages } = planTools(all, { paths: {}, goPackageVersion: [1, 24] });

  expect(builds).toEqual(["k6", "bento"]);
  expect(packages).toEqual({ wrk: "wrk", Go: "golang-go" });
});

test("a Go that is too old builds nothing, and the reason names both versions", () => {
  const old = { paths: {}, goVersion: [1, 20], goPackageVersion: [1, 19] } as const;
  const { tools, packages } = planTools(all, old);

  const problem = expect.stringContaining("here it is 1.20, its package 1.19");
  expect(tools.bento).toMatchObject({ problem });
  expect(packages).toEqual({ wrk: "wrk" });
});

test("versions are read from what Go and apt print", () => {
  const policy = "golang-go:\n  Installed: (none)\n  Candidate: 2:1.19~1\n";

  expect(parseVersion("go version go1.26.8 linux/amd64")).toEqual([1, 26]);
  expect(parseVersion(policy)).toEqual([1, 19]);
  expect(parseVersion("golang-go:\n  Candidate: (none)\n")).toBeUndefined();
});
