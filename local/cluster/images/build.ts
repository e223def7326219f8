import { existsSync } from "node:fs";
import { copyFile, link, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { PROJECT_ROOT } from "../../../adapters/state/paths.ts";
import { CommandFailure } from "../../../adapters/terminal/failure.ts";
import type { Progress } from "../../../adapters/terminal/progress.ts";
import { cacheFolder } from "../cache.ts";
import { describeProgram } from "../programs.ts";
import { describeArchives, dockerfileOf, recipeFolder } from "./archives.ts";
import { type Buildah, createBuildah } from "./buildah.ts";
import { BASES, type Image, IMAGES, type ImageName, imagesOf } from "./images.ts";
import { pruneCheckouts } from "./prune.ts";

type Environment = Record<string, string | undefined>;

const AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Makes the images of the groups, unless they are in the cache. The programs in them have to be there.
 *
 * @throws {CommandFailure} when one cannot be made, with what to do
 */
export async function buildImages(options: {
  env: Environment;
  progress: Progress;
  signal: AbortSignal;
  groups: readonly Image["group"][];
}): Promise<void> {
  const { env, progress, signal, groups } = options;
  const archives = await describeArchives(env);
  const names = groups.flatMap(imagesOf).filter((name) => name !== "node");
  if (names.some((name) => !existsSync(archives[name].path))) requireBuilders(env);

  for (const name of names) {
    const { reference } = IMAGES[name];
    await progress.step(`image ${reference.replace("docker.io/library/", "")}`, async () => {
      const { path } = archives[name];
      if (existsSync(path)) return { detail: "was there" };
      const buildah = createBuildah(name, env, signal);
      await store(name, buildah);
      await mkdir(dirname(path), { recursive: true });
      const unfinished = join(dirname(path), `.image.${process.pid}`);
      try {
        await buildah.save(tagOf(name), unfinished, reference);
        await rename(unfinished, path);
      } finally {
        await rm(unfinished, { force: true });
      }
      if (!isBase(name)) await buildah.remove(tagOf(name));
      if (name === "tollgate") await prune(buildah);
      return {};
    });
  }

  function tagOf(name: ImageName): string {
    return `localhost/${archives[name].key}`;
  }

  async function prune(buildah: Buildah): Promise<void> {
    const kept = new Set(Object.values(archives).map(({ key }) => key));
    for (const key of await pruneCheckouts(cacheFolder(env), kept, Date.now()))
      if (await buildah.isStored(`localhost/${key}`)) await buildah.remove(`localhost/${key}`);
  }

  /** The image is in Buildah's storage afterwards: from its archive, or made. */
  async function store(name: ImageName, buildah: Buildah): Promise<void> {
    if (isBase(name) && (await buildah.isStored(tagOf(name)))) return;
    const { path } = archives[name];
    if (existsSync(path)) return buildah.load(path, tagOf(name));
    const { base } = IMAGES[name];
    if (base !== undefined) await store(base, buildah);
    if (name === "tollgate") await store("node", buildah);
    const folder = join(cacheFolder(env), "buildah");
    await mkdir(folder, { recursive: true });
    const context = await mkdtemp(join(folder, `${name}-`));
    try {
      await build(name, context, buildah);
    } finally {
      await rm(context, { recursive: true });
    }
  }

  async function build(name: ImageName, context: string, buildah: Buildah): Promise<void> {
    const image = IMAGES[name];
    const tag = tagOf(name);
    const base = image.base === undefined ? {} : { BASE: tagOf(image.base) };
    if (name === "tollgate") {
      const dockerfile = join(PROJECT_ROOT, "Dockerfile");
      const args = { NODE_IMAGE: tagOf("node"), DEBIAN_IMAGE: tagOf("debian") };
      return buildah.build({ tag, context: PROJECT_ROOT, dockerfile, args });
    }
    for (const [path, program] of Object.entries(image.programs ?? {})) {
      await mkdir(dirname(join(context, path)), { recursive: true });
      await link(describeProgram(program, env).path, join(context, path));
    }
    if (!image.isDockerfile) await writeFile(join(context, "Dockerfile"), dockerfileOf(image));
    else await buildah.run(["cp", "-r", `${recipeFolder(name)}/.`, context]);
    if (name === "debian") await makeRoot(context, buildah);
    if (name === "node") await copyFile(AUTHORITIES, join(context, "ca-certificates.crt"));
    await buildah.build({ tag, context, dockerfile: join(context, "Dockerfile"), args: base });
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

function requireBuilders(env: Environment): void {
  const missing = ["buildah", "debootstrap"].filter(
    (name) => Bun.which(name, { PATH: env["PATH"] ?? "" }) === null,
  );
  if (missing.length > 0)
    throw new CommandFailure(
      `images are made by buildah and debootstrap, and ${missing.join(" and ")} is missing: ` +
        `apt-get install -y --no-install-recommends ${missing.join(" ")}`,
    );
  if (process.getuid?.() !== 0)
    throw new CommandFailure("images are made by root alone: run this as root");
}
