import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Paths of all files below a folder. */
export const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** A file of a repository as it was before it was compressed. */
function plainBytes(path: string): Buffer {
  const bytes = readFileSync(path);
  return path.endsWith(".zst") && bytes.length > 0
    ? Buffer.from(Bun.zstdDecompressSync(bytes))
    : bytes;
}

/** The files that contain a text. */
export const filesWith = (folder: string, text: string): string[] =>
  filesBelow(folder).filter((path) => plainBytes(path).includes(text));
