import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { until } from "../../test/support/until.ts";
import { buildCluster, buildProgram } from "./build.ts";
import { describeProgram } from "./programs.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-cache-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const environment = () => ({ TOLLGATE_CACHE: join(folder, "cache"), PATH: folder });
const silent = { say: () => {} };
const failureOf = (run: Promise<unknown>): Promise<unknown> => run.catch((error: unknown) => error);

/** Puts a program in the place of Go; `$out` is where it has to build to. */
const pretendGo = (script: string): void =>
  writeFileSync(
    join(folder, "go"),
    `#!/bin/bash
while [ "$1" != -o ]; do shift; done; out=$2
${script}
`,
    { mode: 0o755 },
  );

test("without Go a build says what to install", async () => {
  const progress = { ...silent, step: () => Promise.reject(new Error("nothing is tried")) };

  const failure = await failureOf(
    buildCluster(environment(), progress, AbortSignal.timeout(5_000)),
  );

  expect(failure).toBeInstanceOf(CommandFailure);
  expect(String(failure)).toContain("install Go 1.24 or newer");
});

describe("a program", () => {
  const build = (signal = AbortSignal.timeout(5_000)) =>
    buildProgram(describeProgram("etcd", environment()), environment(), silent, signal);
  const place = () => describeProgram("etcd", environment()).path;

  test("is built once, and found again", async () => {
    pretendGo('echo first > "$out"');
    await build();
    pretendGo('echo second > "$out"');
    await build();

    expect(await Bun.file(place()).text()).toBe("first\n");
    expect(readdirSync(dirname(place()))).toEqual(["etcd"]);
  });

  test("that does not build leaves nothing behind, and the failure says why", async () => {
    pretendGo('echo half > "$out"; echo "go: cannot find module x" >&2; exit 1');

    const failure = await failureOf(build());

    expect(String(failure)).toContain("etcd does not build: go: cannot find module x (log: ");
    expect(readdirSync(dirname(place()))).toEqual([]);
  });

  test("whose build was interrupted leaves nothing behind, and the next build makes it", async () => {
    const interrupt = new AbortController();
    const begun = join(folder, "begun");
    pretendGo(`echo half > "$out"; echo > ${begun}; exec /bin/sleep 60`);
    const interrupted = failureOf(build(interrupt.signal));
    await until(() => existsSync(begun), 5_000);
    interrupt.abort();

    expect(await interrupted).toBeInstanceOf(CommandFailure);
    expect(readdirSync(dirname(place()))).toEqual([]);
    pretendGo('echo whole > "$out"');
    await build();
    expect(await Bun.file(place()).text()).toBe("whole\n");
  });
});
