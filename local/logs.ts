import { readdirSync } from "node:fs";
import { join } from "node:path";

import { shortPath, statePaths } from "../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { followFile } from "./processes/follow.ts";
import { lastLines } from "./processes/log-tail.ts";

export interface LogsOptions {
  follow?: boolean;
  lines: string;
}

const FOLLOW_PERIOD_MS = 200;

/** Prints the last lines of one log or of all, and goes on with new ones if told so. */
export async function logs(component: string | undefined, options: LogsOptions): Promise<void> {
  const folder = statePaths().logs;
  const count = Number(options.lines);
  if (!Number.isInteger(count) || count < 0) {
    throw new CommandFailure(`--lines ${options.lines} is not a count: give a whole number`, {
      exitCode: EXIT.usage,
    });
  }
  const names = chooseLogs(folder, component);
  const prefix = (name: string): string => (component === undefined ? `${name} | ` : "");
  const print = (name: string, lines: readonly string[]): void => {
    for (const line of lines) process.stdout.write(`${prefix(name)}${line}\n`);
  };
  const followers = names.map((name) => ({
    name,
    follower: followFile(join(folder, `${name}.log`)),
  }));
  for (const name of names) print(name, lastLines(join(folder, `${name}.log`), count));
  // Ends when nobody reads any more.
  while (options.follow === true && process.stdout.writable) {
    await Bun.sleep(FOLLOW_PERIOD_MS);
    for (const { name, follower } of followers) print(name, follower.readNew());
  }
}

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
