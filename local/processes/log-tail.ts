import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Only the end of a log is read, whatever its length. */
const TAIL_BYTES_MAX = 256 * 1024;

/** Which part of a log to read; all of it where nothing is said. */
export interface LogPart {
  /** A log that is shorter has been cut since: then from its beginning. */
  fromByte?: number;
  untilByte?: number;
}

/** The last lines that are not empty, oldest first; none when there is no such file. */
export function lastLines(
  path: string,
  count: number,
  { fromByte = 0, untilByte = Infinity }: LogPart = {},
): string[] {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(file);
    const end = Math.min(size, untilByte);
    const start = fromByte > size ? 0 : fromByte;
    const tail = Buffer.alloc(Math.max(0, Math.min(end - start, TAIL_BYTES_MAX)));
    const bytes = readSync(file, tail, 0, tail.length, end - tail.length);
    const lines = tail.toString("utf8", 0, bytes).split("\n");
    return count === 0 ? [] : lines.filter((line) => line.trim() !== "").slice(-count);
  } finally {
    closeSync(file);
  }
}

const TROUBLE = /fatal|panic|error|fail|cannot|can't|could not|refused|denied/i;
const TELLING_CHARS_MAX = 500;

/**
 * The line of a log that most likely says why its process ended: the last one that speaks of trouble, else
 * the last.
 */
export function lastTellingLine(path: string): string {
  const lines = lastLines(path, 50);
  const line = lines.findLast((one) => TROUBLE.test(one)) ?? lines.at(-1) ?? "the log is empty";
  return line.trim().slice(0, TELLING_CHARS_MAX);
}
