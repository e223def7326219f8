import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import type { Progress } from "../../../adapters/terminal/progress.ts";
import { takeLock } from "../../processes/lock.ts";
import { createBuildah, storageFolder } from "./buildah.ts";

const ASK_EVERY_MS = 1_000;
const LOCK = "lock";

/**
 * Has the storage to itself until `release`: waits for whoever else makes images in this cache, until the
 * signal. What an interrupted one left is removed.
 */
export async function ownStorage(
  env: Record<string, string | undefined>,
  progress: Pick<Progress, "say">,
  signal: AbortSignal,
): Promise<{ release: () => void }> {
  const folder = storageFolder(env);
  for (let isSaid = false; ; isSaid = true) {
    const lock = takeLock(join(folder, LOCK));
    if ("release" in lock) {
      await removeLeftovers(folder);
      // Containers are what images are made in.
      await createBuildah("storage", env, signal).removeContainers();
      return lock;
    }
    if (!isSaid) progress.say(`process ${lock.holder.pid} makes images: this waits for it`);
    await pause(ASK_EVERY_MS, undefined, { signal });
  }
}

async function removeLeftovers(folder: string): Promise<void> {
  const lasting = new Set(["storage", "run", LOCK]);
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder))
    if (!lasting.has(name)) await rm(join(folder, name), { recursive: true });
}
