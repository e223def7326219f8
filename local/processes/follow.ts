import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";

const READ_BYTES = 64 * 1024;

/**
 * Reads what is appended to a file, line by line, across truncation and replacement; a file that is not there
 * yet is waited for.
 */
export interface Follower {
  /** Where it starts: the end of the file when the following began. */
  startByte: number;
  /** The complete lines that came since the last call. */
  readNew: () => string[];
}

/** Starts at the present end of the file. */
export function followFile(path: string): Follower {
  const startByte = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let at = startByte;
  let inode = statSync(path, { throwIfNoEntry: false })?.ino;
  let cutOff = "";

  return {
    startByte,
    readNew: () => {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) return [];
      if (stat.ino !== inode || stat.size < at) at = 0;
      inode = stat.ino;
      const file = openSync(path, "r");
      try {
        const chunk = Buffer.alloc(READ_BYTES);
        let text = cutOff;
        const { size } = fstatSync(file);
        while (at < size) {
          const bytes = readSync(file, chunk, 0, chunk.length, at);
          if (bytes === 0) break;
          at += bytes;
          text += chunk.toString("utf8", 0, bytes);
        }
        const lines = text.split("\n");
        cutOff = lines.pop() ?? "";
        return lines;
      } finally {
        closeSync(file);
      }
    },
  };
}
