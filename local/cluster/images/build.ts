import { existsSync } from "node:fs";

import { CommandFailure } from "../../../adapters/terminal/failure.ts";
import type { Progress } from "../../../adapters/terminal/progress.ts";
import { describeArchives } from "./archives.ts";
import { type Image, IMAGES, imagesOf } from "./images.ts";
import { createImageMaker } from "./make-image.ts";
import { ownStorage } from "./storage.ts";

type Environment = Record<string, string | undefined>;

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
  const isMade = names.every((name) => existsSync(archives[name].path));
  if (!isMade) requireBuilders(env);
  const storage = isMade ? undefined : await ownStorage(env, progress, signal);
  try {
    const make = createImageMaker(env, archives, signal);
    for (const name of names) {
      const label = `image ${IMAGES[name].reference.replace("docker.io/library/", "")}`;
      await progress.step(label, () => make(name));
    }
  } finally {
    storage?.release();
  }
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
