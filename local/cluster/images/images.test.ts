import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../../adapters/state/paths.ts";
import { describeProgram } from "../programs.ts";
import { recipeFolder } from "./archives.ts";
import { IMAGES, type ImageName, imagesOf } from "./images.ts";

const names = Object.keys(IMAGES) as ImageName[];

/** Tollgate's own name is the overlays' to choose. */
const imagesIn = (folder: string): string[] =>
  readdirSync(join(PROJECT_ROOT, folder))
    .filter((file) => file.endsWith(".yaml"))
    .flatMap((file) => readFileSync(join(PROJECT_ROOT, folder, file), "utf8").split("\n"))
    .flatMap((line) => /^\s+(?:image|imageName): (\S+)$/.exec(line)?.[1] ?? [])
    .filter((image) => image !== "tollgate");

const fullName = (image: string): string => {
  const [host = "", ...rest] = image.split("/");
  if (rest.length === 0) return `docker.io/library/${image}`;
  return host.includes(".") ? image : `docker.io/${image}`;
};

test.each([
  ["k8s/overlays/dev", ["dev"]],
  ["k8s/overlays/production", ["dev", "production"]],
  ["k8s/restore", ["dev", "production"]],
] as const)("every server's image that %s names is made", (folder, groups) => {
  const made = groups.flatMap((group) => imagesOf(group).map((name) => IMAGES[name].reference));
  const named = imagesIn(folder);

  expect(named).not.toBeEmpty();
  expect(made).toEqual(expect.arrayContaining(named.map(fullName)));
});

test("no two images have one name, and a base comes before what stands on it", () => {
  const references = names.map((name) => IMAGES[name].reference);

  expect(new Set(references).size).toBe(names.length);
  for (const name of names) {
    const { base } = IMAGES[name];
    if (base !== undefined) expect(names.indexOf(base)).toBeLessThan(names.indexOf(name));
  }
});

test("the tag of a program's image is the version that its go.mod pins", () => {
  for (const { reference, isDockerfile, programs } of Object.values(IMAGES)) {
    const [program] = Object.values(programs ?? {});
    if (program === undefined || isDockerfile || program === "pause") continue;
    const { version } = describeProgram(program, {});

    expect(reference).toMatch(new RegExp(`:v?${version.replaceAll(".", "\\.")}$`));
  }
});

test("an image with a recipe has its Dockerfile", () => {
  const recipes = names.filter((name) => IMAGES[name].isDockerfile);

  expect(recipes.filter((name) => !existsSync(join(recipeFolder(name), "Dockerfile")))).toEqual([]);
});
