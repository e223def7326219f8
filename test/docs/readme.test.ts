import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

import { PAGES, ROOT } from "./pages.ts";

const readme = await Bun.file(join(ROOT, "README.md")).text();
const changelog = await Bun.file(join(ROOT, "CHANGELOG.md")).text();

/** One file per command, and the programs that ./tollgate runs by itself. */
const commands = readdirSync(join(ROOT, "cli/commands"))
  .filter((name) => !name.endsWith(".test.ts"))
  .map((name) => name.replace(".ts", ""))
  .concat("test", "bench");

const folders = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name))
  .map(({ name }) => name);

test.each(commands)("README and changelog name the command %s", (command) => {
  const named = new RegExp(`\`(\\./tollgate )?${command}\\b`);

  expect({ readme: named.test(readme), changelog: named.test(changelog) }).toEqual({
    readme: true,
    changelog: true,
  });
});

test("README has every folder in its map of the tree", () => {
  const [, tree = ""] = readme.split("## The tree");

  expect(folders.filter((name) => !tree.includes(`\`${name}/\``))).toEqual([]);
});

test.each(PAGES)("the links of %s lead to files that are there", async (page) => {
  const text = await Bun.file(join(ROOT, page)).text();
  const targets = [...text.matchAll(/\]\(([^)#\s]+)/g)].map(([, target = ""]) => target);
  const local = targets.filter((target) => !/^[a-z]+:/.test(target));

  const missing = local.filter((target) => !existsSync(join(ROOT, dirname(page), target)));

  expect(missing).toEqual([]);
});
