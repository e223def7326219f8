import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { identifyProcess, isRunning, parseProcStat } from "./process-identity.ts";
import { spawnDetached, stopProcess, waitForEnd } from "./processes.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-processes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spawnShell = (script: string) =>
  spawnDetached({
    command: ["sh", "-c", script],
    env: { PATH: process.env["PATH"] },
    cwd: "/",
    logPath: join(folder, "out.log"),
  });

describe("a process", () => {
  test("is read from proc although its name holds blanks and brackets", () => {
    const fields = Array.from({ length: 20 }, (_, i) => String(i + 3));
    const stat = `42 (a) (b c) S ${fields.slice(1).join(" ")}`;

    expect(parseProcStat(stat)).toEqual({ state: "S", startedTicks: "22" });
  });

  test("with the pid of an earlier one is neither taken for it nor killed", async () => {
    const child = await spawnShell("exec sleep 60");
    const earlier = { ...child, started: "boot/1" };

    expect(isRunning(earlier)).toBe(false);
    expect(await stopProcess(earlier, { graceMs: 10 })).toBe(true);
    expect(isRunning(child)).toBe(true);
    await stopProcess(child, { graceMs: 2_000 });
  });

  test("that ended is not running, and asking again changes nothing", async () => {
    const child = await spawnShell("exit 0").catch(() => undefined);

    if (child !== undefined) expect(await waitForEnd(child, 2_000)).toBe(true);
    expect(identifyProcess(2 ** 22 + 1)).toBeUndefined();
  });

  test("ends politely when asked", async () => {
    const child = await spawnShell("exec sleep 60");

    expect(await stopProcess(child, { graceMs: 2_000 })).toBe(true);
    expect(isRunning(child)).toBe(false);
  });

  test("that does not listen is ended by force after the grace", async () => {
    const ready = join(folder, "ready");
    const child = await spawnShell(`trap '' TERM; echo > ${ready}; while :; do sleep 0.05; done`);
    const deadline = Date.now() + 2_000;
    while (!(await Bun.file(ready).exists()) && Date.now() < deadline) await Bun.sleep(5);

    expect(await stopProcess(child, { graceMs: 100 })).toBe(false);
    expect(isRunning(child)).toBe(false);
  });
});
