import { existsSync } from "node:fs";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { lastLines } from "../processes/log-tail.ts";
import { shortPath, statePaths } from "../../adapters/state/paths.ts";
import { openLog } from "../processes/processes.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import type { ServerName } from "./binaries.ts";

const PACKAGES: Record<ServerName, string> = {
  postgres: "postgresql",
  redis: "redis-server",
  rabbitmq: "rabbitmq-server",
};

const INSTALL_LIMIT_MS = 15 * 60 * 1000;

/** @throws {CommandFailure} as `installPackages` */
export function installServers(missing: readonly ServerName[], progress: Progress): Promise<void> {
  const wanted: Wanted = {
    missing,
    packages: missing.map((name) => PACKAGES[name]),
    withoutApt:
      "install PostgreSQL, Redis and RabbitMQ (macOS: brew install postgresql redis rabbitmq)",
    orElse: "or start Docker, or set DATABASE_URL, REDIS_URL and AMQP_URL to servers of your own",
  };
  return installPackages(wanted, progress);
}

export interface Wanted {
  /** What is not there, by the names that people know. */
  missing: readonly string[];
  packages: readonly string[];
  /** What to do where there is no apt. */
  withoutApt: string;
  /** What else helps. */
  orElse: string;
}

/**
 * Installs Debian or Ubuntu packages of servers, and says so first. No service of theirs runs afterwards.
 *
 * @throws {CommandFailure} when this machine has no apt, when we may not use it, or when apt fails
 */
export async function installPackages(
  { missing, packages, withoutApt, orElse }: Wanted,
  progress: Progress,
): Promise<void> {
  if (!existsSync("/usr/bin/apt-get")) {
    throw new CommandFailure(
      `${missing.join(", ")} not found, and there is no apt here: ${withoutApt}, ${orElse}`,
    );
  }
  const asRoot = rootPrefix();
  if (asRoot === undefined) {
    throw new CommandFailure(
      `${missing.join(", ")} not found, and neither root nor sudo is at hand: have somebody run ` +
        `\`apt-get install ${packages.join(" ")}\`, ${orElse}`,
    );
  }
  const command = `apt-get install ${packages.join(" ")}`;
  progress.say(
    `  Not on this machine: ${missing.join(", ")}. Installing Debian packages ` +
      `(${[...asRoot, command].join(" ")}); no service of theirs is started or enabled.`,
  );
  await progress.step(`packages ${packages.join(", ")}`, async () => {
    await runApt([...asRoot, `${import.meta.dir}/install-packages.sh`, ...packages]);
    return {};
  });
}

/**
 * How to become root: not at all, with sudo (which may ask for the password on a terminal), or not possible.
 */
function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return [];
  if (Bun.which("sudo") === null) return undefined;
  const withoutPassword = Bun.spawnSync(["sudo", "-n", "true"], { stderr: "ignore" }).success;
  return withoutPassword || process.stdin.isTTY ? ["sudo"] : undefined;
}

async function runApt(command: readonly string[]): Promise<void> {
  const logPath = `${statePaths().logs}/apt.log`;
  const log = openLog(logPath);
  const apt = Bun.spawn([...command], {
    stdin: "inherit",
    stdout: log,
    stderr: log,
    timeout: INSTALL_LIMIT_MS,
  });
  if ((await apt.exited) === 0) return;
  // apt tells the cause in lines that start with "E:".
  const reason = lastLines(logPath, 40).findLast((line) => line.startsWith("E:")) ?? "";
  throw new CommandFailure(
    `the packages could not be installed: ${reason} (log: ${shortPath(logPath)}): mend it, then run ` +
      "this again",
  );
}
