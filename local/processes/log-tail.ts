import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";
import { join } from "node:path";

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

/** How long the logs of a folder are, by path. */
export type LogEnds = ReadonlyMap<string, number>;

/**
 * Where the logs of a folder end now, so that what a start writes can be told from what an earlier one left.
 */
export function logEnds(folder: string): LogEnds {
  const paths = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  return new Map(paths.map((path) => [path, statSync(path, { throwIfNoEntry: false })?.size ?? 0]));
}

/**
 * The line of a log that most likely says why its process ended: the last one that speaks of trouble, else
 * the last. With `since` only of what was written since then.
 */
export function lastTellingLine(path: string, since?: LogEnds): string {
  const lines = lastLines(path, 50, { fromByte: since?.get(path) ?? 0 });
  const line =
    lines.findLast((one) => TROUBLE.test(one)) ?? lines.at(-1) ?? "it wrote nothing into its log";
  return line.trim().slice(0, TELLING_CHARS_MAX);
}
