import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { PAGES, ROOT } from "./pages.ts";

/** Folders that only a run makes. */
const MADE_BY_A_RUN = /^(\.tollgate|node_modules|bench\/results)(\/|$)/;

/** The files and folders that a page names as code, such as `core/faults.ts` or `gateway/read/`. */
function pathsNamed(text: string): string[] {
  const prose = text.replaceAll(/^\s*```[\s\S]*?^\s*```$/gm, "");
  const code = [...prose.matchAll(/`([^`\s]+)`/g)].map(([, name = ""]) => name);
  return code.filter(
    (name) => /^(?!-)[\w.-]+\/[\w./-]*$/.test(name) && !/(^|\/)[A-Z]{2,}[_.]/.test(name),
  );
}

/** Documentation may name a test without its ending. */
function exists(path: string): boolean {
  return [path, `${path}.test.ts`].some((name) => existsSync(join(ROOT, name)));
}

test("a page's paths are told from its routes, commands and placeholders", () => {
  const text =
    "`core/a.ts` and `k8s/`, not `/generate`, `a/NAME.ts`, `sql/NNNN_NAME.sql`, `x` or `./tollgate up`";

  expect(pathsNamed(text)).toEqual(["core/a.ts", "k8s/"]);
});

test.each(PAGES)("every path that %s names exists", async (page) => {
  const named = pathsNamed(await Bun.file(join(ROOT, page)).text());
  // The other pages also name media types, resources of Kubernetes, and files below a folder just named.
  const isForContributors = ["ARCHITECTURE.md", "CONTRIBUTING.md"].includes(page);
  const paths = named.filter((path) => isForContributors || exists(path.split("/")[0] ?? ""));

  const missing = paths.filter((path) => !MADE_BY_A_RUN.test(path) && !exists(path));

  expect(missing).toEqual([]);
});
