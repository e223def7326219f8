import { existsSync, statSync, writeFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

import { WITH_PARENT } from "../../processes/processes.ts";
import { cacheFolder, cacheKey } from "../cache.ts";
import { runCommand } from "../run-command.ts";
import { createContainerdClient } from "./containerd-client.ts";
import { waitFor } from "./wait-for.ts";

const START_LIMIT_MS = 30_000;
const PREFIX = "node-images";
/** They take some GB, and there is another one after each change of an image. */
const UNUSED_MS = 24 * 60 * 60_000;
const COPY_LIMIT_MS = 5 * 60_000;

interface Wish {
  env: Record<string, string | undefined>;
  archives: readonly string[];
  signal: AbortSignal;
}

/**
 * The images of the archives as containerd keeps them, in a folder of the cache. They take minutes to unpack
 * on busy cores, so they are unpacked once, and not for every node of every cluster. The name of its folder
 * tells what is in an archive.
 */
export async function prepareStore({
  env,
  archives,
  signal,
}: Wish): Promise<{ folder: string; detail: string }> {
  const names = archives.map((path) => basename(dirname(path)));
  const cache = cacheFolder(env);
  const folder = join(cache, cacheKey(PREFIX, names));
  if (existsSync(folder)) {
    await utimes(folder, new Date(), new Date());
    return { folder, detail: `${archives.length}, were there` };
  }
  await mkdir(cache, { recursive: true });
  await removeUnused(cache, Date.now() - UNUSED_MS);
  const unfinished = await mkdtemp(`${folder}.`);
  try {
    await fillStore(unfinished, { env, archives, signal });
    await rename(unfinished, folder);
  } catch (error) {
    // Another start may have been faster.
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return { folder, detail: `${archives.length}` };
}

/** Removes stores that were last used before then, and what of one was never finished. */
export async function removeUnused(cache: string, beforeMs: number): Promise<void> {
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    if (!name.startsWith(`${PREFIX}-`) || statSync(path).mtimeMs >= beforeMs) continue;
    await rm(path, { recursive: true, force: true });
  }
}

async function fillStore(root: string, { env, archives, signal }: Wish): Promise<void> {
  const state = await mkdtemp(join(tmpdir(), "tollgate-containerd-"));
  const [config, socket] = [join(state, "containerd.toml"), join(state, "containerd.sock")];
  writeFileSync(config, configText(root, state, socket));
  // In the namespace of its mounts nothing stays of what it mounts to unpack an image.
  const command = ["unshare", "--mount", "containerd", `--config=${config}`];
  const containerd = Bun.spawn([...WITH_PARENT, ...command], {
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const check = (): void => {
    if (containerd.exitCode !== null) throw new Error("containerd has ended");
  };
  const client = createContainerdClient([], socket, { env, signal });
  try {
    await waitFor("containerd serves", START_LIMIT_MS, { signal, check }, async () => {
      await client.ask();
      return true;
    });
    await client.importImages(archives);
  } finally {
    containerd.kill("SIGTERM");
    await containerd.exited;
    await rm(state, { recursive: true, force: true });
  }
}

const configText = (root: string, state: string, socket: string): string => `version = 2
root = "${root}"
state = "${join(state, "run")}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(state, "opt")}"
`;

/** Gives a node the images of a store; files that never change are the same ones where the disk allows. */
export async function copyStore(store: string, folder: string): Promise<void> {
  const isOneDisk = statSync(store).dev === statSync(dirname(folder)).dev;
  await runCommand(["cp", isOneDisk ? "-al" : "-a", store, folder], { limitMs: COPY_LIMIT_MS });
  for (const database of new Bun.Glob("*/*.db").scanSync({ cwd: folder })) {
    const path = join(folder, database);
    await copyFile(path, `${path}.own`);
    await rename(`${path}.own`, path);
  }
}
