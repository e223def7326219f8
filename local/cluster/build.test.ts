import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { buildCluster } from "./build.ts";

test("without Go a build says what to install", async () => {
  const cache = mkdtempSync(join(tmpdir(), "tollgate-cache-"));
  const progress = { say: () => {}, step: () => Promise.reject(new Error("nothing is tried")) };
  try {
    const env = { TOLLGATE_CACHE: cache, PATH: cache };
    const built = buildCluster(env, progress, AbortSignal.timeout(5_000));

    const error: unknown = await built.catch((reason: unknown) => reason);

    expect(error).toBeInstanceOf(CommandFailure);
    expect(String(error)).toContain("install Go 1.24 or newer");
  } finally {
    rmSync(cache, { recursive: true });
  }
});
