import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { writeJsonFile } from "../../adapters/state/json-file.ts";
import { takeLock } from "./lock.ts";
import { findFreePorts, isPortFree } from "./ports.ts";
import { identifyProcess } from "./process-identity.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a lock", () => {
  test("of a running process is kept from everybody else, and named", () => {
    const path = join(folder, "held");

    takeLock(path);

    expect(takeLock(path)).toHaveProperty("holder", identifyProcess(process.pid));
  });

  test("that was given back, or whose process was killed, can be taken", () => {
    const path = join(folder, "stale");
    writeJsonFile(path, { pid: process.pid, started: "an earlier boot" });

    const lock = takeLock(path);
    if ("release" in lock) lock.release();

    expect(takeLock(path)).toHaveProperty("release");
  });
});

describe("a port", () => {
  test("that something listens on is not free, and is again afterwards", async () => {
    const [port = 0] = await findFreePorts(1);
    const server = Bun.serve({ port, hostname: "127.0.0.1", fetch: () => new Response() });

    const whileTaken = await isPortFree(port);
    await server.stop(true);

    expect(whileTaken).toBe(false);
    expect(await isPortFree(port)).toBe(true);
  });

  test("is found as often as asked, each once", async () => {
    expect(new Set(await findFreePorts(5)).size).toBe(5);
  });
});
