import { expect, test } from "bun:test";

import {
  type FoundTools,
  parseCandidate,
  parseGoVersion,
  planTools,
  type ToolName,
} from "./plan-tools.ts";

const nothing: FoundTools = {
  wrk: undefined,
  k6: undefined,
  bento: undefined,
  portkey: undefined,
  hasNode: false,
  goVersion: undefined,
  goPackageVersion: undefined,
  docker: undefined,
};
const all = new Set<ToolName>(["wrk", "k6", "bento"]);

test("what is on the machine is taken and nothing is installed", () => {
  const found = { ...nothing, wrk: "/usr/bin/wrk", k6: "/k6", bento: "/bento" };

  expect(planTools(all, found)).toEqual({
    wrk: true,
    k6: { how: "found", path: "/k6" },
    bento: { how: "found", path: "/bento" },
    packages: [],
  });
});

test("what no scenario needs is neither looked at nor brought", () => {
  expect(planTools(new Set(), nothing)).toEqual({ wrk: false, packages: [] });
});

test("Go is installed along with wrk when its package can build k6 and Bento", () => {
  const plan = planTools(all, { ...nothing, goPackageVersion: [1, 24] });

  expect(plan.k6).toEqual({ how: "build" });
  expect(plan.packages.map(({ name }) => name)).toEqual(["wrk", "golang-go"]);
});

test("a Go that is too old builds nothing, and the reason names both versions", () => {
  const plan = planTools(all, { ...nothing, goVersion: [1, 20], goPackageVersion: [1, 19] });

  expect(plan.bento).toMatchObject({
    how: "none",
    problem: expect.stringContaining("the one here is 1.20 and the package is 1.19"),
  });
  expect(plan.packages.map(({ name }) => name)).toEqual(["wrk"]);
});

test("k6 runs in Docker where it cannot be built; Bento is left out there", () => {
  const plan = planTools(all, { ...nothing, docker: "/usr/bin/docker" });

  expect(plan.k6).toEqual({ how: "docker", path: "/usr/bin/docker" });
  expect(plan.bento?.how).toBe("none");
});

test("Portkey's gateway is installed where Node.js is, and left out with a reason elsewhere", () => {
  const needs = new Set<ToolName>(["portkey"]);

  expect(planTools(needs, { ...nothing, hasNode: true }).portkey).toEqual({ how: "build" });
  expect(planTools(needs, nothing).portkey).toMatchObject({ how: "none" });
});

test("versions are read from what Go and apt print", () => {
  expect(parseGoVersion("go version go1.26.8 linux/amd64")).toEqual([1, 26]);
  expect(parseGoVersion("")).toBeUndefined();
  expect(parseCandidate("golang-go:\n  Installed: (none)\n  Candidate: 2:1.19~1\n")).toEqual([
    1, 19,
  ]);
  expect(parseCandidate("golang-go:\n  Candidate: (none)\n")).toBeUndefined();
});
