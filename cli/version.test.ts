import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import packageJson from "../package.json" with { type: "json" };
import { versionText } from "./version.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-version-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function git(...args: string[]): string {
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
  return Bun.spawnSync(["git", ...identity, ...args], { cwd: folder })
    .stdout.toString()
    .trim();
}

test("the version names the commit of a checkout, and none where there is no history", () => {
  const copy = join(folder, "copy");
  mkdirSync(copy);
  git("init", "--quiet");
  const unborn = versionText(folder);
  git("commit", "--quiet", "--allow-empty", "-m", "one");

  expect(unborn).toBe(packageJson.version);
  expect(versionText(folder)).toBe(
    `${packageJson.version} (${git("rev-parse", "--short=12", "HEAD")})`,
  );
  expect(versionText(copy)).toBe(packageJson.version);
});

test("--version prints the version and succeeds", () => {
  const { stdout, exitCode } = Bun.spawnSync([
    process.execPath,
    join(import.meta.dir, "main.ts"),
    "--version",
  ]);

  expect(stdout.toString()).toBe(`tollgate ${versionText()}\n`);
  expect(exitCode).toBe(0);
});
