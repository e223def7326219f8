import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  keepRestored,
  putAside,
  putBack,
  requireNoRestoreUnderWay,
  takeOverWal,
} from "./put-aside.ts";

const NOW = new Date("2026-11-28T09:15:00Z");
const LATER = new Date("2026-11-28T10:15:00Z");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-put-aside-"));
  fill("the first");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function fill(content: string): void {
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "data", "content"), content);
}
const content = (): string => readFileSync(join(folder, "data", "content"), "utf8");
const kept = (): string[] => readdirSync(folder).filter((name) => name.startsWith("data.before-"));

test("a restore that fails leaves everything as it was", () => {
  const underWay = putAside(folder, NOW);
  fill("half of something");

  putBack(folder, underWay);

  expect(content()).toBe("the first");
  expect(kept()).toEqual([]);
  expect(() => requireNoRestoreUnderWay(folder)).not.toThrow();
});

test("a restore that is broken off keeps the stack down, and its repetition keeps the first data", () => {
  putAside(folder, NOW);
  fill("half of something");

  expect(() => requireNoRestoreUnderWay(folder)).toThrow("run ./tollgate restore again");
  const again = putAside(folder, LATER);
  fill("restored");
  keepRestored(folder, again);

  expect(content()).toBe("restored");
  expect(kept()).toEqual(["data.before-20261128T091500"]);
  expect(readFileSync(join(folder, kept()[0] ?? "", "content"), "utf8")).toBe("the first");
  expect(() => requireNoRestoreUnderWay(folder)).not.toThrow();
});

test("the data of before the last restore stay, those of earlier ones go", () => {
  for (const [now, text] of [
    [NOW, "the second"],
    [LATER, "the third"],
  ] as const) {
    const underWay = putAside(folder, now);
    fill(text);
    keepRestored(folder, underWay);
  }

  expect(kept()).toEqual(["data.before-20261128T101500"]);
  expect(readFileSync(join(folder, kept()[0] ?? "", "content"), "utf8")).toBe("the second");
});

test("a database that was lost with its disk is restored into an empty place", () => {
  rmSync(join(folder, "data"), { recursive: true });

  const underWay = putAside(folder, NOW);
  putBack(folder, underWay);

  expect(underWay.aside).toBeNull();
  expect(existsSync(join(folder, "data"))).toBe(false);
});

test("WAL that was never archived is taken over, and nothing that is there is replaced", () => {
  const [archived, rest, both] = [1, 2, 3].map((n) => `00000001000000000000000${n}`);
  const wal = join(folder, "data", "pg_wal");
  mkdirSync(join(wal, "archive_status"), { recursive: true });
  for (const name of [archived, rest, both, "00000002.history"])
    writeFileSync(join(wal, `${name}`), "of before");
  writeFileSync(join(wal, "archive_status", `${archived}.done`), "");

  const underWay = putAside(folder, NOW);
  mkdirSync(wal, { recursive: true });
  writeFileSync(join(wal, `${both}`), "of the backup");
  takeOverWal(folder, underWay);

  expect(readdirSync(wal).toSorted()).toEqual([`${rest}`, `${both}`]);
  expect(readFileSync(join(wal, `${both}`), "utf8")).toBe("of the backup");
});
