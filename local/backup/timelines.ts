import type { Backup } from "./repository.ts";

/** A line of WAL that a restore has begun; what came after the moment that it went back to lies beside it. */
export interface Timeline {
  timeline: number;
  beganAtMs: number;
  /** Where it left each line that it comes from. */
  parents: { timeline: number; leftAtLsn: string }[];
}

const FIRST = 1;

/**
 * A file `NNNNNNNN.history`: lines of a timeline, where it was left, and why.
 * https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 */
export function parseHistory(text: string): Timeline["parents"] {
  return text.split("\n").flatMap((line) => {
    const [, timeline, leftAtLsn] = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/.exec(line) ?? [];
    return timeline === undefined || leftAtLsn === undefined
      ? []
      : [{ timeline: Number(timeline), leftAtLsn }];
  });
}

/** `1A/2B` as a number. */
function lsnOf(text: string): bigint {
  const [high = "0", low = "0"] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

export interface RestorePlan {
  backup: Backup;
  /** As `recovery_target_timeline`; `current` is the one of the backup, and needs no history. */
  timeline: number | "current";
}

/**
 * The newest backup from which a moment can be reached, on the timeline that the database was on then: also
 * a moment that an earlier restore has undone. undefined: none reaches it.
 */
export function planRestore(
  backups: readonly Backup[],
  timelines: readonly Timeline[],
  toMs: number,
): RestorePlan | undefined {
  const timeline = timelineAt(backups, timelines, toMs);
  const parents = timelines.find((one) => one.timeline === timeline)?.parents ?? [];
  const leadsThere = (backup: Backup): boolean => {
    if (backup.timeline === timeline) return true;
    const parent = parents.find((one) => one.timeline === backup.timeline);
    return parent !== undefined && lsnOf(backup.endLsn) <= lsnOf(parent.leftAtLsn);
  };
  const backup = backups
    // They are told in whole seconds.
    .filter(({ endedAtMs }) => endedAtMs + 1_000 <= toMs)
    .findLast(leadsThere);
  if (backup === undefined) return undefined;
  return { backup, timeline: backup.timeline === timeline ? "current" : timeline };
}

/**
 * Numbers grow with time. A repository that was begun later than a restore does not know its history, but
 * its backups say which timeline they are of.
 */
function timelineAt(
  backups: readonly Backup[],
  timelines: readonly Timeline[],
  atMs: number,
): number {
  const begun = timelines.filter(({ beganAtMs }) => beganAtMs <= atMs);
  const backedUp = backups.filter(({ startedAtMs }) => startedAtMs <= atMs);
  return Math.max(FIRST, ...[...begun, ...backedUp].map(({ timeline }) => timeline));
}
