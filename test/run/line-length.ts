import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Longest line of code, comments and prose. */
export const LINE_CHARS_MAX = 110;

const SOURCES = new Bun.Glob("**/*.{ts,lua,sql,sh,md}");
/** Folders that are no part of the project. */
const SKIPPED_FOLDERS = new Set(["node_modules", "bench/results"]);
/**
 * Databases remember these migrations, which are older than this check, by their checksums. A test writes
 * `schema.sql`.
 */
const FIXED_FILES = /^sql\/(schema|000[1-5]_\w+)\.sql$/;

/** What makes a line as long as it is, and cannot be broken: a URL, or the path of an import. */
const UNBREAKABLE = /https?:\/\/\S+|^import .* from "[^"]+";$|^\} from "[^"]+";$/;

/** Lines of Markdown that are no prose: rows of tables, and code between fences or indented below it. */
const TABLE_ROW = /^\s*\|/;
const FENCE = /^\s*(```|~~~)/;

/**
 * The numbers of the lines that are longer than `LINE_CHARS_MAX`, without those that cannot be broken. Of
 * Markdown only prose counts.
 */
export function longLines(text: string, isMarkdown: boolean): number[] {
  let isInFence = false;
  return text.split("\n").flatMap((line, index) => {
    const isFence = isMarkdown && FENCE.test(line);
    if (isFence) isInFence = !isInFence;
    const isProse = !isMarkdown || !(isFence || isInFence || TABLE_ROW.test(line));
    return isProse && line.replace(UNBREAKABLE, "").length > LINE_CHARS_MAX ? [index + 1] : [];
  });
}

/** Every line of the project that is too long, as `file:line`. */
export async function findLongLines(root: string): Promise<string[]> {
  const files = (await sourcesBelow(root, "")).filter((file) => !FIXED_FILES.test(file));
  const found = await Promise.all(
    files.map(async (file) => {
      const text = await Bun.file(join(root, file)).text();
      return longLines(text, file.endsWith(".md")).map((line) => `${file}:${line}`);
    }),
  );
  return found.flat().toSorted();
}

async function sourcesBelow(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.name.startsWith(".") || SKIPPED_FOLDERS.has(path)) return [];
      if (entry.isDirectory()) return sourcesBelow(root, path);
      return SOURCES.match(path) ? [path] : [];
    }),
  );
  return found.flat();
}
