import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { CommandFailure } from "../../../adapters/terminal/failure.ts";
import { cacheFolder, cacheKey } from "../cache.ts";
import { describeProgram } from "../programs.ts";
import { checkoutDigest } from "./checkout.ts";
import { type Image, IMAGES, type ImageName, imagesOf } from "./images.ts";

type Environment = Record<string, string | undefined>;

export const recipeFolder = (name: ImageName): string => join(import.meta.dir, name);

/** The Dockerfile of an image that is its programs alone; the first one is what it runs. */
export function dockerfileOf({ programs = {}, user = "65532:65532" }: Image): string {
  const paths = Object.keys(programs);
  const copies = paths.map((path) => `COPY ${path.slice(1)} ${path}`);
  return ["FROM scratch", ...copies, `USER ${user}`, `ENTRYPOINT ["${paths[0]}"]`, ""].join("\n");
}

/** Where the image of each name is, or will be once it is made: another one when what it is made of changes. */
export async function describeArchives(
  env: Environment,
): Promise<(name: ImageName) => { path: string; key: string }> {
  const checkout = await checkoutDigest();
  return function describe(name): { path: string; key: string } {
    const image = IMAGES[name];
    const key = cacheKey(`image-${name}`, [
      image.reference,
      ...(image.isDockerfile ? recipeTexts(name) : [dockerfileOf(image)]),
      ...(image.base === undefined ? [] : [describe(image.base).key]),
      ...(name === "tollgate" ? [checkout, describe("node").key] : []),
      // The folder's name tells what the program was made of.
      ...Object.values(image.programs ?? {}).map((program) =>
        basename(dirname(describeProgram(program, env).path)),
      ),
    ]);
    return { key, path: join(cacheFolder(env), key, "image.tar") };
  };
}

const recipeTexts = (name: ImageName): string[] =>
  readdirSync(recipeFolder(name))
    .sort()
    .map((file) => `${file}\n${readFileSync(join(recipeFolder(name), file), "utf8")}`);

/**
 * The archives of a group, in the form of `docker save`.
 *
 * @throws {CommandFailure} when one is not there, with the command that makes it
 */
export async function imageArchives(
  env: Environment,
  group: Image["group"],
): Promise<readonly string[]> {
  const describe = await describeArchives(env);
  return imagesOf(group)
    .filter((name) => name !== "node")
    .map((name) => {
      const { path } = describe(name);
      if (!existsSync(path)) throw new CommandFailure(notMade(name, group));
      return path;
    });
}

function notMade(name: ImageName, group: Image["group"]): string {
  const option = group === "production" ? " --production" : "";
  return `the image ${IMAGES[name].reference} is not made: ./tollgate drill cluster --build${option}`;
}
