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

export interface Archive {
  /** Another one when what the image is made of changes. */
  key: string;
  path: string;
}

/** Where the image of each name is, or will be once it is made. */
export async function describeArchives(env: Environment): Promise<Record<ImageName, Archive>> {
  const checkout = await checkoutDigest();
  const described = {} as Record<ImageName, Archive>;
  for (const [name, image] of Object.entries(IMAGES) as [ImageName, Image][]) {
    const key = cacheKey(`image-${name}`, [
      image.reference,
      ...(image.isDockerfile ? recipeTexts(name) : [dockerfileOf(image)]),
      ...(image.base === undefined ? [] : [described[image.base].key]),
      ...(name === "tollgate" ? [checkout, described.node.key] : []),
      // The folder's name tells what the program was made of.
      ...Object.values(image.programs ?? {}).map((program) =>
        basename(dirname(describeProgram(program, env).path)),
      ),
    ]);
    described[name] = { key, path: join(cacheFolder(env), key, "image.tar") };
  }
  return described;
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
  const archives = await describeArchives(env);
  return imagesOf(group)
    .filter((name) => name !== "node")
    .map((name) => {
      const { path } = archives[name];
      if (!existsSync(path)) throw new CommandFailure(notMade(name, group));
      return path;
    });
}

function notMade(name: ImageName, group: Image["group"]): string {
  const option = group === "production" ? " --production" : "";
  return `the image ${IMAGES[name].reference} is not made: ./tollgate drill cluster --build${option}`;
}
