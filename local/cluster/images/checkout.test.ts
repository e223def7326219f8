import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { checkoutDigest } from "./checkout.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tollgate-checkout-"));
  Bun.spawnSync(["git", "init", "--quiet", root]);
  mkdirSync(join(root, "core"));
  write(".dockerignore", "*\n!core\n**/*.test.ts\n");
  write("Dockerfile", "FROM scratch");
  write("core/a.ts", "one");
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (path: string, text: string): void => writeFileSync(join(root, path), text);

test.each(["core/a.ts", "core/new.ts", "Dockerfile"])(
  "another %s is another image of Tollgate, committed or not",
  async (path) => {
    const before = await checkoutDigest(root);
    write(path, "two");

    expect(await checkoutDigest(root)).not.toBe(before);
  },
);

test.each(["core/a.test.ts", "README.md"])("the image does not depend on %s", async (path) => {
  const before = await checkoutDigest(root);
  write(path, "two");

  expect(await checkoutDigest(root)).toBe(before);
});
