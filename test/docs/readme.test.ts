import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "./pages.ts";

const readme = await Bun.file(join(ROOT, "README.md")).text();
const changelog = await Bun.file(join(ROOT, "CHANGELOG.md")).text();

/** One file per command, and the programs that ./tollgate runs by itself. */
const commands = readdirSync(join(ROOT, "cli/commands"))
  // `dead-retry.ts` is a part of the command `dead`.
  .filter((name) => !name.endsWith(".test.ts") && !name.includes("-"))
  .map((name) => name.replace(".ts", ""))
  .concat("test", "bench", "drill");

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
