import { join } from "node:path";

export const ROOT = join(import.meta.dir, "../..");

/** Every page of documentation, from the root. */
export const PAGES = ["*.md", "{docs,decisions,bench}/*.md"]
  .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync(ROOT)])
  .toSorted();

if (!PAGES.includes("README.md") || !PAGES.includes("docs/api.md"))
  throw new Error(`not all pages were found: ${PAGES.join(", ")}`);
