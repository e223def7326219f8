import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { CommandFailure } from "../../../adapters/terminal/failure.ts";
import { describeProgram } from "../programs.ts";
import { describeArchives, imageArchives } from "./archives.ts";
import { buildImages } from "./build.ts";

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
    pretendBuildah('echo "no space left" >&2; exit 1');

    const failure = await build();

    expect(String(failure)).toContain("the image pause is not made: no space left (log: ");
    expect(readdirSync(join(folder, "cache", "buildah"))).toEqual([]);
    const { path } = (await describeArchives(env)).pause;
    expect(existsSync(path)).toBe(false);
  });

  test("appears in its place when it is whole, and is not made again", async () => {
    pretendBuildah(`case $* in
      *debian*) exit 1 ;;
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
