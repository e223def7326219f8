import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import packageJson from "../../package.json";
import { importsFrom, listImageFiles, readContextFilter } from "./image-files.ts";

const read = (path: string): Promise<string> =>
  Bun.file(new URL(`../../${path}`, import.meta.url)).text();

const dockerfile = await read("Dockerfile");

const PINNED = /^[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/;

test("every stage of the image starts from an argument whose default has a tag and a digest", () => {
  const defaults = new Map(
    [...dockerfile.matchAll(/^ARG (\w+)=(\S+)$/gm)].map(([, name = "", value = ""]) => [
      `\${${name}}`,
      value,
    ]),
  );
  const stages = [...dockerfile.matchAll(/^FROM (?<base>\S+)/gm)];

  expect(stages.length).toBeGreaterThan(0);
  for (const { groups } of stages) expect(defaults.get(groups?.["base"] ?? "")).toMatch(PINNED);
});

test("the image has the Bun that the tests run with, by the hash of its package", async () => {
  const version = (await read(".bun-version")).trim();

  expect(Bun.version).toBe(version);
  expect(dockerfile).toContain("RUN npm ci --prefix /bun");
  expect(dockerfile).toContain('test "$(bun --version)" = "$(cat .bun-version)"');
  expect(dockerfile).not.toContain(version);
  const kept = (await read(".dockerignore")).split("\n");
  expect(kept).toContain("!.bun-version");
  expect(kept).toContain("!bootstrap/bun");
});

/** The roles, the simulator, and the commands. */
const ENTRIES = [
  "gateway/main.ts",
  "workers/main.ts",
  "collector/main.ts",
  "ml-sim/main.ts",
  "cli/main.ts",
];
const files = await listImageFiles();
const imports = await importsFrom(ENTRIES, files);

test("the last rule of .dockerignore that is about a path or a folder above it decides", () => {
  const isKept = readContextFilter("# all\n*\n!core\n**/*.test.ts\n");

  expect(["core/a.ts", "core/deep/a.ts"].map(isKept)).toEqual([true, true]);
  expect(["core/a.test.ts", "test/a.ts", "README.md"].map(isKept)).toEqual([false, false, false]);
});

describe("the files of the image", () => {
  test("are of the folders that the program needs, and no test", () => {
    const roots = new Set([...files].map((file) => file.split("/", 1).join("")));

    expect([...roots].toSorted()).toEqual([
      ..."adapters cli collector core gateway lua ml-sim".split(" "),
      ..."package.json runtime sql tollgate.yaml tsconfig.json workers".split(" "),
    ]);
    expect([...files].filter((file) => file.includes(".test."))).toEqual([]);
    expect(ENTRIES.filter((entry) => !files.has(entry))).toEqual([]);
  });

  test("are each imported by an entry point or by what it imports: no fake and no harness", () => {
    const imported = new Set([...ENTRIES, ...imports.map(({ to }) => to)]);
    const code = [...files].filter((file) => /\.(ts|lua)$/.test(file) && !file.endsWith(".d.ts"));

    expect(code.filter((file) => !imported.has(file)).toSorted()).toEqual([
      // For local/ alone, but client libraries belong to adapters/.
      "adapters/ping.ts",
    ]);
  });

  test("have all that they import, but for packages that the image installs", () => {
    const packages = new Set(Object.keys(packageJson.dependencies));
    const isThere = (to: string): boolean => {
      const [name = "", part = ""] = to.split("/");
      return (
        files.has(to) ||
        isBuiltin(to) ||
        packages.has(name.startsWith("@") ? `${name}/${part}` : name)
      );
    };
    const missing = imports.filter(({ to }) => !isThere(to));

    expect(missing.filter(({ kind }) => kind === "start")).toEqual([]);
    expect(missing.flatMap(({ kind, to }) => (kind === "late" ? to : [])).toSorted()).toEqual([
      "local/backup/backup.ts",
      "local/backup/list.ts",
      "local/backup/restore.ts",
      "local/backup/verify.ts",
      "local/down.ts",
      "local/logs.ts",
      "local/process-list.ts",
      "local/up.ts",
    ]);
    expect(missing.filter(({ to }) => /^(test|bench)\//.test(to))).toEqual([]);
  });
});

describe("with the files of the image alone", () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-image-"));
  for (const file of files) cpSync(join(PROJECT_ROOT, file), join(folder, file));
  symlinkSync(join(PROJECT_ROOT, "node_modules"), join(folder, "node_modules"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function run(...args: string[]): Promise<{ exitCode: number; out: string; err: string }> {
    const spawned = Bun.spawn([process.execPath, ...args], {
      cwd: folder,
      env: { PATH: process.env["PATH"] ?? "" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, exitCode] = await Promise.all([
      new Response(spawned.stdout).text(),
      new Response(spawned.stderr).text(),
      spawned.exited,
    ]);
    return { exitCode, out, err };
  }

  test.each(["up", "down", "ps", "logs", "backup", "restore", "test", "bench"])(
    "the command %s says in one line that it needs a checkout",
    async (command) => {
      const { exitCode, out, err } = await run("cli/main.ts", command);

      expect({ exitCode, out }).toEqual({ exitCode: 2, out: "" });
      expect(err).toMatch(new RegExp(`^tollgate: ${command} needs a checkout of the project.+\n$`));
    },
  );

  test.each(["user list", "restore follow"])(
    "%s runs until it lacks the servers",
    async (command) => {
      const { err } = await run("cli/main.ts", ...command.split(" "));

      expect(err).toMatch(/^tollgate: (?!.*(module|checkout)).+\n$/);
    },
  );

  test.each(["gateway", "workers", "collector"])(
    "%s runs until it lacks the secrets",
    async (folderName) => {
      const { exitCode, err } = await run(`${folderName}/main.ts`);

      expect(exitCode).toBe(1);
      expect(err).toStartWith("the configuration is not valid:\n  secrets:");
    },
  );
});
