import { expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

import { PAGES, ROOT } from "./pages.ts";

/** Where a link of a page leads to, as `file#heading` from the root; links to other hosts are left out. */
function localLinks(page: string, text: string): { file: string; heading: string }[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = ""]) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path = "", heading = ""] = target.split("#");
    return [{ file: path === "" ? page : join(dirname(page), path), heading }];
  });
}

/** The anchors of a page's headings, as GitHub makes them. */
async function anchorsOf(file: string): Promise<Set<string>> {
  const text = await Bun.file(join(ROOT, file)).text();
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

async function leadsSomewhere({ file, heading }: { file: string; heading: string }) {
  const path = join(ROOT, file);
  if (!existsSync(path)) return false;
  if (heading === "") return true;
  return statSync(path).isFile() && (await anchorsOf(file)).has(heading);
}

test.each(PAGES)("the links of %s lead to files and headings that are there", async (page) => {
  const links = localLinks(page, await Bun.file(join(ROOT, page)).text());

  const areThere = await Promise.all(links.map(leadsSomewhere));

  const missing = links.filter((_, index) => areThere[index] !== true);
  expect(missing.map(({ file, heading }) => `${file}#${heading}`)).toEqual([]);
});
