import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { makeStorage } from "./storage.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-storage-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Volume {
  kind: string;
  metadata: { name: string };
  spec: { local: { path: string }; nodeAffinity: object };
}

test("every node has volumes of its own, whose folders are there for any user", () => {
  const resources = makeStorage(folder, ["node-1", "node-2"]) as Volume[];
  const volumes = resources.filter(({ kind }) => kind === "PersistentVolume");

  for (const node of ["node-1", "node-2"]) {
    const own = volumes.filter(({ spec }) =>
      JSON.stringify(spec.nodeAffinity).includes(`["${node}"]`),
    );
    expect(own.length).toBeGreaterThanOrEqual(12);
    for (const { spec } of own) expect(statSync(spec.local.path).mode & 0o777).toBe(0o777);
  }
  expect(new Set(volumes.map(({ spec }) => spec.local.path)).size).toBe(volumes.length);
});
