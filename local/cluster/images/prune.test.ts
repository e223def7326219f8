import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { pruneCheckouts } from "./prune.ts";

const HOUR_MS = 3_600_000;
let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "tollgate-prune-"));
});
afterEach(() => rmSync(cache, { recursive: true }));

test("images of older states of a checkout go after a day, and nothing else does", async () => {
  const others = ["image-tollgate-aa", "image-postgres-cc", "etcd-3-dd"];
  for (const key of [...others, "image-tollgate-next-bb"]) mkdirSync(join(cache, key));
  const kept = new Set(["image-tollgate-aa"]);

  const early = await pruneCheckouts(cache, kept, Date.now() + 23 * HOUR_MS);
  const late = await pruneCheckouts(cache, kept, Date.now() + 25 * HOUR_MS);

  expect(early).toEqual([]);
  expect(late).toEqual(["image-tollgate-next-bb"]);
  expect(readdirSync(cache).sort()).toEqual(others.sort());
});
