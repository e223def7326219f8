import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { findLongLines, LINE_CHARS_MAX, longLines } from "./line-length.ts";

const FULL = "x".repeat(LINE_CHARS_MAX);
const LONG = `${FULL}y`;

describe("a line that is too long", () => {
  test("is found by its number, and one that just fits is not", () => {
    expect(longLines([FULL, LONG, FULL, LONG].join("\n"), false)).toEqual([2, 4]);
  });

  test("is left alone where an import or a URL makes it long", () => {
    const lines = [`import { a } from "${FULL}";`, `} from "${FULL}";`, `// see https://${FULL}`];

    expect(longLines(lines.join("\n"), false)).toEqual([]);
  });

  test("is found beside a URL when the words alone are too long", () => {
    expect(longLines(`https://example.org/a ${LONG}`, false)).toEqual([1]);
  });

  test("is found in the prose of Markdown, not in its tables and code", () => {
    const lines = [LONG, `| ${LONG} |`, "```sh", LONG, `| ${LONG} |`, "```", LONG];

    expect(longLines(lines.join("\n"), true)).toEqual([1, 7]);
  });
});

describe("the sources of a project", () => {
  const root = mkdtempSync(join(tmpdir(), "tollgate-lines-"));
  afterAll(() => rmSync(root, { recursive: true }));

  test("are searched in all folders, but for packages, results and what is generated", async () => {
    const found = [
      "README.md",
      "collector/results/a.ts",
      "lua/b.lua",
      "sql/0009_c.sql",
      "k8s/d.sh",
    ];
    const skipped = ["node_modules/a.ts", "bench/results/a.md", ".tollgate/a.ts", "sql/schema.sql"];
    for (const file of [...found, ...skipped, "bun.lock"]) await Bun.write(join(root, file), LONG);

    const places = await findLongLines(root);

    expect(places).toEqual(found.map((file) => `${file}:1`).toSorted());
  });
});
