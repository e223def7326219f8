import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { copyStore, removeUnused } from "./image-store.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-store-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a node writes into databases of its own, and shares the files of images", async () => {
  const [store, node] = [join(folder, "store"), join(folder, "node")];
  mkdirSync(join(store, "snapshots/1/fs"), { recursive: true });
  const [database, file] = ["snapshots/metadata.db", "snapshots/1/fs/file"];
  for (const path of [database, file]) writeFileSync(join(store, path), "of the store");

  await copyStore(store, node);
  writeFileSync(join(node, database), "of the node");

  expect(readFileSync(join(store, database), "utf8")).toBe("of the store");
  expect(statSync(join(node, file)).ino).toBe(statSync(join(store, file)).ino);
});

test("stores that nobody has used for long are removed, and nothing else of the cache", async () => {
  for (const name of ["node-images-new", "node-images-old", "node-images-old.begun", "etcd-old"])
    mkdirSync(join(folder, name));
  for (const name of readdirSync(folder).filter((one) => one.includes("old")))
    utimesSync(join(folder, name), 1_000, 1_000);

  await removeUnused(folder, 2_000 * 1_000);

  expect(readdirSync(folder).sort()).toEqual(["etcd-old", "node-images-new"]);
});
