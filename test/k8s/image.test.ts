import { expect, test } from "bun:test";

const read = (path: string): Promise<string> =>
  Bun.file(new URL(`../../${path}`, import.meta.url)).text();

const dockerfile = await read("Dockerfile");

const PINNED = /^[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/;

test("every stage of the image starts from an argument whose default has a tag and a digest", () => {
  const defaults = new Map(
    [...dockerfile.matchAll(/^ARG (\w+)=(\S+)$/gm)].map(([, name = "", value = ""]) => [
      `\${${name}}`,
      value,
    ]),
  );
  const stages = [...dockerfile.matchAll(/^FROM (?<base>\S+)/gm)];

  expect(stages.length).toBeGreaterThan(0);
  for (const { groups } of stages) expect(defaults.get(groups?.["base"] ?? "")).toMatch(PINNED);
});

test("the image has the Bun that the tests run with, which .bun-version alone names", async () => {
  const version = (await read(".bun-version")).trim();

  expect(Bun.version).toBe(version);
  expect(dockerfile).toContain('"bun@$(cat .bun-version)"');
  expect(dockerfile).toContain('test "$(bun --version)" = "$(cat .bun-version)"');
  expect(dockerfile).not.toContain(version);
  expect((await read(".dockerignore")).split("\n")).toContain("!.bun-version");
});
