import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { ROOT } from "./pages.ts";

const page = await Bun.file(join(ROOT, "docs/security.md")).text();
const [, section = ""] = page.split("## What is enforced, and which test shows it");
const rows = (section.split("\n## ")[0] ?? "")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| what |"))
  .map((line) => line.slice(2, -2).split(" | "));

/** The tests that a cell names: a file, and parts of the names of tests in it. */
function testsIn(cell: string): { file: string; names: string[] }[] {
  return cell.split("; ").map((part) => {
    const [, file = "", names = ""] = /^`([^`]+\.test\.ts)`: (.*)$/.exec(part) ?? [];
    return { file, names: [...names.matchAll(/\*([^*]+)\*/g)].map(([, name = ""]) => name) };
  });
}

describe("the page on security", () => {
  test("names at least one test of a file for everything that is enforced", () => {
    const tests = rows.map(([what, , shownBy = ""]) => ({ what, tests: testsIn(shownBy) }));

    expect(tests.length).toBeGreaterThan(25);
    for (const { what, tests: shown } of tests)
      expect({
        what,
        isShown: shown.every(({ file, names }) => file !== "" && names.length > 0),
      }).toEqual({ what, isShown: true });
  });

  test.each(rows.flatMap(([, , shownBy = ""]) => testsIn(shownBy)))(
    "names tests that $file has",
    async ({ file, names }) => {
      const text = await Bun.file(join(ROOT, file)).text();

      expect(names.filter((name) => !text.includes(name))).toEqual([]);
    },
  );
});
