import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dir, "../..");
const readme = await Bun.file(join(root, "README.md")).text();
const changelog = await Bun.file(join(root, "CHANGELOG.md")).text();

/** One file per command, and the programs that ./tollgate runs by itself. */
const commands = readdirSync(join(root, "cli/commands"))
  .filter((name) => !name.endsWith(".test.ts"))
  .map((name) => name.replace(".ts", ""))
  .concat("test", "bench");

const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name))
  .map(({ name }) => name);

const pages = [...new Bun.Glob("{*,docs/*,decisions/*,bench/*}.md").scanSync(root)].toSorted();

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

test.each(pages)("the links of %s lead to files that are there", async (page) => {
  const text = await Bun.file(join(root, page)).text();
  const targets = [...text.matchAll(/\]\(([^)#\s]+)/g)].map(([, target = ""]) => target);
  const local = targets.filter((target) => !/^[a-z]+:/.test(target));

  const missing = local.filter((target) => !existsSync(join(root, dirname(page), target)));

  expect(missing).toEqual([]);
});
