import { expect, test } from "bun:test";

import { type FoundTools, parseVersion, planTools, type ToolName } from "./plan-tools.ts";

const nothing: FoundTools = { paths: {}, hasNode: false };
const all = new Set<ToolName>(["wrk", "k6", "bento"]);

test("what is on the machine is taken and nothing is installed", () => {
  const paths = { wrk: "/usr/bin/wrk", k6: "/k6", bento: "/bento" };

  expect(planTools(all, { ...nothing, paths })).toEqual({
    ways: {
      wrk: { how: "found", path: "/usr/bin/wrk" },
      k6: { how: "found", path: "/k6" },
      bento: { how: "found", path: "/bento" },
    },
    packages: [],
  });
});

test("what no scenario needs is neither looked at nor brought", () => {
  expect(planTools(new Set(), nothing)).toEqual({ ways: {}, packages: [] });
});

test("Go is installed along with wrk when its package can build k6 and Bento", () => {
  const { ways, packages } = planTools(all, { ...nothing, goPackageVersion: [1, 24] });

  expect(ways.k6).toEqual({ how: "build" });
  expect(packages.map(({ name }) => name)).toEqual(["wrk", "golang-go"]);
});

test("a Go that is too old builds nothing, and the reason names both versions", () => {
  const old = { ...nothing, goVersion: [1, 20], goPackageVersion: [1, 19] } as const;
  const { ways, packages } = planTools(all, old);

  const problem = expect.stringContaining("here it is 1.20, its package 1.19");
  expect(ways.bento).toMatchObject({ how: "none", problem });
  expect(packages.map(({ name }) => name)).toEqual(["wrk"]);
});

test("k6 runs in Docker where it cannot be built; Bento is left out there", () => {
  const { ways } = planTools(all, { ...nothing, docker: "/usr/bin/docker" });

  expect(ways.k6).toEqual({ how: "docker", path: "/usr/bin/docker" });
  expect(ways.bento?.how).toBe("none");
});

test("Portkey's gateway is installed where Node.js is, and left out with a reason elsewhere", () => {
  const needs = new Set<ToolName>(["portkey"]);

  expect(planTools(needs, { ...nothing, hasNode: true }).ways.portkey?.how).toBe("build");
  expect(planTools(needs, nothing).ways.portkey?.how).toBe("none");
});

test("versions are read from what Go and apt print", () => {
  const policy = "golang-go:\n  Installed: (none)\n  Candidate: 2:1.19~1\n";

  expect(parseVersion("go version go1.26.8 linux/amd64")).toEqual([1, 26]);
  expect(parseVersion(policy)).toEqual([1, 19]);
  expect(parseVersion("golang-go:\n  Candidate: (none)\n")).toBeUndefined();
});
