import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { shortPath, statePaths } from "../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { printLine } from "../adapters/terminal/table.ts";
import { followFile } from "./processes/follow.ts";
import { lastLines } from "./processes/log-tail.ts";
import { createLineMerge, type LogLine } from "./processes/merge-lines.ts";

export interface LogsOptions {
  follow: boolean;
  /** How many lines of each log to begin with. */
  lines: number;
}

const FOLLOW_PERIOD_MS = 200;
/** From the time that a line says until it stands in its file. */
const WRITE_LIMIT_MS = 100;

/** Prints the last lines of one log or of all, in the order of their times, and if told so the new ones. */
export async function logs(component: string | undefined, options: LogsOptions): Promise<void> {
  const folder = statePaths().logs;
  const names = chooseLogs(folder, component);
  const prefix = (name: string): string => (component === undefined ? `${name} | ` : "");
  const print = (lines: readonly LogLine[]): void => {
    for (const { name, line } of lines) printLine(`${prefix(name)}${withoutColour(line)}`);
  };
  const merge = createLineMerge();
  const followers = names.map((name) => {
    const path = join(folder, `${name}.log`);
    const follower = followFile(path);
    const lines = lastLines(path, options.lines, { untilByte: follower.startByte });
    // Lines that say no time are as old as their log.
    merge.add(name, lines, statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    return { name, follower };
  });
  print(merge.take(Infinity));
  // Ends when nobody reads any more.
  while (options.follow && process.stdout.writable) {
    await Bun.sleep(FOLLOW_PERIOD_MS);
    // A line of a log that is read first may be younger than one that its neighbour gets meanwhile: it waits
    // for the next round.
    const beforeMs = Date.now() - WRITE_LIMIT_MS;
    for (const { name, follower } of followers) merge.add(name, follower.readNew(), Date.now());
    print(merge.take(beforeMs));
  }
}

/** Without what servers write for a terminal: the colours of RabbitMQ, the carriage returns of epmd. */
const withoutColour = (line: string): string => line.replaceAll(COLOUR, "").replace(/\r+$/, "");

// Written so that the linter sees no control character in it.
const COLOUR = new RegExp(`${String.fromCharCode(0x1b)}\\[[\\d;]*m`, "g");

function chooseLogs(folder: string, component: string | undefined): string[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder)
      .filter((file) => file.endsWith(".log"))
      .map((file) => file.slice(0, -".log".length))
      .sort();
  } catch {
    // No folder yet: nothing was ever started.
  }
  if (names.length === 0) {
    throw new CommandFailure(
      `there are no logs in ${shortPath(folder)}: start with ./tollgate up`,
      {
        exitCode: EXIT.notRunning,
      },
    );
  }
  if (component === undefined) return names;
  if (names.includes(component)) return [component];
  throw new CommandFailure(`there is no log of ${component}: there are ${names.join(", ")}`, {
    exitCode: EXIT.usage,
  });
}
