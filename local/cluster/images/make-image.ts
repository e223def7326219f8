import { existsSync } from "node:fs";
import { copyFile, link, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { PROJECT_ROOT } from "../../../adapters/state/paths.ts";
import { cacheFolder } from "../cache.ts";
import { describeProgram } from "../programs.ts";
import { type Archive, dockerfileOf, recipeFolder } from "./archives.ts";
import { type Buildah, createBuildah, storageFolder } from "./buildah.ts";
import { BASES, IMAGES, type ImageName } from "./images.ts";
import { pruneCheckouts } from "./prune.ts";

const AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt";

/** Returns what makes the archive of an image, and the images that it stands on, unless it is there. */
export function createImageMaker(
  env: Record<string, string | undefined>,
  archives: Record<ImageName, Archive>,
  signal: AbortSignal,
): (name: ImageName) => Promise<{ detail?: string }> {
  const tagOf = (name: ImageName): string => `localhost/${archives[name].key}`;

  return async function make(name) {
    const { path } = archives[name];
    if (existsSync(path)) return { detail: "was there" };
    const buildah = createBuildah(name, env, signal);
    await store(name, buildah);
    await mkdir(dirname(path), { recursive: true });
    const unfinished = join(dirname(path), `.image.${process.pid}`);
    try {
      await buildah.save(tagOf(name), unfinished, IMAGES[name].reference);
      await rename(unfinished, path);
    } finally {
      await rm(unfinished, { force: true });
    }
    if (!isBase(name)) await buildah.remove(tagOf(name));
    if (name === "tollgate") await prune(buildah);
    return {};
  };

  /** The image is in Buildah's storage afterwards: from its archive, or made. */
  async function store(name: ImageName, buildah: Buildah): Promise<void> {
    if (isBase(name) && (await buildah.isStored(tagOf(name)))) return;
    const { path } = archives[name];
    if (existsSync(path)) return buildah.load(path, tagOf(name));
    const { base } = IMAGES[name];
    if (base !== undefined) await store(base, buildah);
    if (name === "tollgate") await store("node", buildah);
    const context = await mkdtemp(join(storageFolder(env), `${name}-`));
    try {
      await build(name, context, buildah);
    } finally {
      await rm(context, { recursive: true });
    }
  }

  async function build(name: ImageName, context: string, buildah: Buildah): Promise<void> {
    const image = IMAGES[name];
    const tag = tagOf(name);
    if (name === "tollgate") {
      const dockerfile = join(PROJECT_ROOT, "Dockerfile");
      const args = { NODE_IMAGE: tagOf("node"), DEBIAN_IMAGE: tagOf("debian") };
      return buildah.build({ tag, context: PROJECT_ROOT, dockerfile, args });
    }
    for (const [path, program] of Object.entries(image.programs ?? {})) {
      await mkdir(dirname(join(context, path)), { recursive: true });
      await link(describeProgram(program, env).path, join(context, path));
    }
    const dockerfile = join(context, "Dockerfile");
    if (image.isDockerfile) await buildah.run(["cp", "-r", `${recipeFolder(name)}/.`, context]);
    else await writeFile(dockerfile, dockerfileOf(image));
    if (name === "debian") await makeRoot(context, buildah);
    if (name === "node") await copyFile(AUTHORITIES, join(context, "ca-certificates.crt"));
    const args = image.base === undefined ? {} : { BASE: tagOf(image.base) };
    return buildah.build({ tag, context, dockerfile, args });
  }

  async function prune(buildah: Buildah): Promise<void> {
    const kept = new Set(Object.values(archives).map(({ key }) => key));
    for (const key of await pruneCheckouts(cacheFolder(env), kept, Date.now()))
      if (await buildah.isStored(`localhost/${key}`)) await buildah.remove(`localhost/${key}`);
  }
}

const isBase = (name: ImageName): boolean => BASES.some((base) => base === name);

async function makeRoot(context: string, { run }: Buildah): Promise<void> {
  const root = join(context, "rootfs");
  await run(["debootstrap", "--variant=minbase", "trixie", root]);
  const caches = ["var/cache/apt/archives/*.deb", "var/lib/apt/lists/*", "dev/*"];
  const left = caches.map((pattern) => `--exclude=./${pattern}`);
  await run(["tar", "-C", root, ...left, "-cf", join(context, "rootfs.tar"), "."]);
  await rm(root, { recursive: true });
}
