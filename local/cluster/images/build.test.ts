import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { CommandFailure } from "../../../adapters/terminal/failure.ts";
import { takeLock } from "../../processes/lock.ts";
import { describeProgram } from "../programs.ts";
import { describeArchives, imageArchives } from "./archives.ts";
import { storageFolder } from "./buildah.ts";
import { buildImages } from "./build.ts";
import { ownStorage } from "./storage.ts";

let folder: string;
let env: Record<string, string>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-images-"));
  env = { TOLLGATE_CACHE: join(folder, "cache"), PATH: `${folder}/bin` };
  mkdirSync(join(folder, "bin"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const progress = {
  say: () => {},
  step: <Result>(_label: string, act: () => Promise<Result>) => act(),
};
const build = (): Promise<unknown> =>
  buildImages({ env, progress, signal: AbortSignal.timeout(5_000), groups: ["dev"] }).catch(
    (error: unknown) => error,
  );

test("without Buildah it is said what to install", async () => {
  const failure = await build();

  expect(failure).toBeInstanceOf(CommandFailure);
  expect(String(failure)).toContain(
    "apt-get install -y --no-install-recommends buildah debootstrap",
  );
});

test("an image that is not made is asked for by its name, with the command that makes it", async () => {
  const failure = await imageArchives(env, "production").catch((error: unknown) => error);

  expect(String(failure)).toContain("./tollgate drill cluster --build --production");
});

describe.skipIf(process.getuid?.() !== 0)("an image", () => {
  /** Puts a program in the place of Buildah. */
  const pretendBuildah = (script: string): void => {
    for (const name of ["buildah", "debootstrap"])
      writeFileSync(join(folder, "bin", name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
    const { path } = describeProgram("pause", env);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "pause");
  };

  test("that cannot be made leaves nothing behind, and the failure says why", async () => {
    pretendBuildah('case $* in *" bud "*) echo "no space left" >&2; exit 1 ;; esac');

    const failure = await build();

    expect(String(failure)).toContain("the image pause is not made: no space left (log: ");
    expect(readdirSync(storageFolder(env))).toEqual([]);
    const { path } = (await describeArchives(env)).pause;
    expect(existsSync(path)).toBe(false);
  });

  test("that was interrupted is made from the start, without what it left", async () => {
    mkdirSync(join(storageFolder(env), "pause-Ab12"), { recursive: true });
    pretendBuildah('case $* in *" bud "*) exit 1 ;; esac');

    await build();

    expect(readdirSync(storageFolder(env))).toEqual([]);
  });

  test("is not made while another process makes images in the same cache", async () => {
    pretendBuildah("exit 0");
    const lock = takeLock(join(storageFolder(env), "lock"));
    const said: string[] = [];

    const listener = { say: (line: string) => said.push(line) };
    const waiting = ownStorage(env, listener, AbortSignal.timeout(10));

    expect(await waiting.catch(String)).toContain("AbortError");
    expect(said).toEqual([`process ${process.pid} makes images: this waits for it`]);
    if ("release" in lock) lock.release();
  });

  test("appears in its place when it is whole, and is not made again", async () => {
    pretendBuildah(`case $* in
      *debian*) exit 1 ;;
      *" rm --all") exit 0 ;;
      *" push "*) all="$*"; archive=\${all##*docker-archive:}; echo image > "\${archive%%:*}" ;;
    esac
    echo "$*" >> ${folder}/calls`);

    await build();
    const { path } = (await describeArchives(env)).pause;
    const calls = await Bun.file(join(folder, "calls")).text();
    await build();

    expect(await Bun.file(path).text()).toBe("image\n");
    expect(readdirSync(dirname(path))).toEqual(["image.tar"]);
    expect(await Bun.file(join(folder, "calls")).text()).toBe(calls);
  });
});
