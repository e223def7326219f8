import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import { shortPath, statePaths } from "../../../adapters/state/paths.ts";
import { CommandFailure } from "../../../adapters/terminal/failure.ts";
import { lastTellingLine } from "../../processes/log-tail.ts";
import { cacheFolder } from "../cache.ts";

/** Installing a server's packages takes a minute on two busy cores. */
const STEP_LIMIT_MS = 20 * 60_000;

export interface Buildah {
  /** What Buildah or another program of the step says goes to the log of the image. */
  run: (command: readonly string[]) => Promise<string>;
  isStored: (tag: string) => Promise<boolean>;
  build: (step: BuildStep) => Promise<void>;
  /** Writes an image as an archive, under the name that pods call it by. */
  save: (tag: string, path: string, reference: string) => Promise<void>;
  load: (path: string, tag: string) => Promise<void>;
  remove: (tag: string) => Promise<void>;
  removeContainers: () => Promise<void>;
}

export interface BuildStep {
  tag: string;
  context: string;
  dockerfile: string;
  args: Readonly<Record<string, string>>;
}

/** Has Buildah's storage, and beside it the contexts of images that are being made. */
export const storageFolder = (env: Record<string, string | undefined>): string =>
  join(cacheFolder(env), "buildah");

/** Buildah without a daemon, with a storage of its own in the cache, for one image. */
export function createBuildah(
  image: string,
  env: Record<string, string | undefined>,
  signal: AbortSignal,
): Buildah {
  const folder = storageFolder(env);
  const storage = ["--root", join(folder, "storage"), "--runroot", join(folder, "run")];
  const logPath = join(statePaths().logs, `image-${image}.log`);
  let isBegun = false;

  async function start(command: readonly string[]): Promise<{ out: string; exitCode: number }> {
    if (!isBegun) await mkdir(dirname(logPath), { recursive: true });
    if (!isBegun) await writeFile(logPath, "");
    isBegun = true;
    const child = Bun.spawn([...command], {
      // Chroot isolation: no user namespace, no network of its own.
      env: { ...env, BUILDAH_ISOLATION: "chroot" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: STEP_LIMIT_MS,
      signal,
    });
    const [out] = await Promise.all([logged(child.stdout), logged(child.stderr)]);
    return { out, exitCode: await child.exited };
  }

  /** The text of a stream, whose lines are in the log as they come. */
  async function logged(stream: ReadableStream<Uint8Array>): Promise<string> {
    let text = "";
    for await (const line of createInterface({ input: Readable.fromWeb(stream) })) {
      text += `${line}\n`;
      await appendFile(logPath, `${line}\n`);
    }
    return text;
  }

  async function run(command: readonly string[]): Promise<string> {
    const { out, exitCode } = await start(command);
    if (exitCode === 0) return out;
    throw new CommandFailure(
      `the image ${image} is not made: ${lastTellingLine(logPath)} (log: ${shortPath(logPath)})`,
    );
  }

  const buildah = (...args: string[]): Promise<string> => run(["buildah", ...storage, ...args]);

  return {
    run,
    isStored: async (tag) =>
      (await start(["buildah", ...storage, "images", "--quiet", tag])).exitCode === 0,
    build: async ({ tag, context, dockerfile, args }) => {
      const given = Object.entries(args).flatMap(([key, value]) => [
        "--build-arg",
        `${key}=${value}`,
      ]);
      const format = ["--layers=false", "--pull-never", "--format", "docker"];
      await buildah("bud", ...format, "--tag", tag, "--file", dockerfile, ...given, context);
    },
    save: async (tag, path, reference) => {
      await buildah("push", tag, `docker-archive:${path}:${reference}`);
    },
    load: async (path, tag) => {
      const id = (await buildah("pull", "--quiet", `docker-archive:${path}`)).trim();
      await buildah("tag", id, tag);
    },
    remove: async (tag) => {
      await buildah("rmi", tag);
    },
    removeContainers: async () => {
      await buildah("rm", "--all");
    },
  };
}
