import { readFileSync } from "node:fs";

import { type Static, Type as t } from "@sinclair/typebox";

/** A process, told apart from a later one that got the same pid. */
export const ProcessIdentitySchema = t.Object({
  pid: t.Integer({ minimum: 2 }),
  /** When it started, in the words of this machine; comparable for equality only. */
  started: t.String({ minLength: 1 }),
});
export type ProcessIdentity = Static<typeof ProcessIdentitySchema>;

/**
 * `/proc/PID/stat` without what comes before the state: the name in front may itself hold blanks and
 * brackets. proc(5).
 */
export function parseProcStat(stat: string): { state: string; startedTicks: string } | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  const startedTicks = fields[19];
  return state === undefined || startedTicks === undefined ? undefined : { state, startedTicks };
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Ticks count from the boot, so they name a process only together with the boot. */
function startedOnLinux(pid: number): string | undefined {
  const stat = parseProcStat(readOrUndefined(`/proc/${pid}/stat`) ?? "");
  // A zombie has ended; its parent may never collect it.
  if (stat === undefined || stat.state === "Z" || stat.state === "X") return undefined;
  return `${readOrUndefined("/proc/sys/kernel/random/boot_id")?.trim() ?? ""}/${stat.startedTicks}`;
}

function startedElsewhere(pid: number): string | undefined {
  const text = Bun.spawnSync(["ps", "-o", "lstart=", "-p", String(pid)])
    .stdout.toString()
    .trim();
  return text === "" ? undefined : text;
}

/** The process that has this pid now; undefined when there is none. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const started = process.platform === "linux" ? startedOnLinux(pid) : startedElsewhere(pid);
  return started === undefined ? undefined : { pid, started };
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.started === identity.started;
}

/** Resident memory in bytes; undefined when the process is gone or the platform does not tell. */
export function residentBytes(pid: number): number | undefined {
  if (process.platform !== "linux") {
    const kib = Number(
      Bun.spawnSync(["ps", "-o", "rss=", "-p", String(pid)])
        .stdout.toString()
        .trim(),
    );
    return kib > 0 ? kib * 1024 : undefined;
  }
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readOrUndefined(`/proc/${pid}/status`) ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}
