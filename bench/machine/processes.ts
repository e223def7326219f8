import { existsSync, readdirSync, readFileSync } from "node:fs";

import { sum } from "../statistics.ts";

export interface ProcessView {
  pid: number;
  parent: number;
  /** CPU time, hundredths of a second. */
  ticks: number;
  /** Resident pages, and those of them that are shared with others. */
  residentPages: number;
  sharedPages: number;
}

/** The processes of the machine by pid. */
export type Processes = ReadonlyMap<number, ProcessView>;
/** The part that a process belongs to, by pid; its descendants belong to the same. */
export type Labels = ReadonlyMap<number, string>;

const PAGE_BYTES = 4_096;
const TICKS_PER_SECOND = 100;

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

function viewOf(pid: number): ProcessView | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const statm = read(`/proc/${pid}/statm`);
  if (stat === undefined || statm === undefined) return undefined;
  // The name in front may hold blanks and brackets. proc(5): state is field 3, ppid 4, utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [, resident, shared] = statm.split(" ");
  return {
    pid,
    parent: Number(fields[1]),
    ticks: Number(fields[11]) + Number(fields[12]),
    residentPages: Number(resident),
    sharedPages: Number(shared),
  };
}

/** Every process of the machine; empty where there is no /proc. */
export function readProcesses(): Processes {
  const names = existsSync("/proc") ? readdirSync("/proc") : [];
  const views = names.filter((name) => /^\d+$/.test(name)).map((name) => viewOf(Number(name)));
  return new Map(views.flatMap((view) => (view === undefined ? [] : [[view.pid, view]])));
}

/** Busy seconds of the whole machine since boot, all cores. */
export function machineSeconds(): number {
  const [line = ""] = (read("/proc/stat") ?? "").split("\n", 1);
  // proc(5), behind "cpu": user, nice, system, idle, iowait, irq, softirq.
  const ticks = line.split(/ +/).slice(1).map(Number);
  return sum([0, 1, 2, 5, 6].map((field) => ticks[field] ?? 0)) / TICKS_PER_SECOND;
}

/** A process counts for its nearest ancestor that has a label, itself included. */
export function labelOf(pid: number, processes: Processes, labels: Labels): string | undefined {
  for (let at: number | undefined = pid; at !== undefined && at > 1;) {
    const label = labels.get(at);
    if (label !== undefined) return label;
    at = processes.get(at)?.parent;
  }
  return undefined;
}

function byLabel(processes: Processes, labels: Labels): [label: string, ProcessView[]][] {
  const groups = Map.groupBy(processes.values(), ({ pid }) => labelOf(pid, processes, labels));
  return [...groups].flatMap(([label, views]) => (label === undefined ? [] : [[label, views]]));
}

/** Seconds of CPU by part between two looks; a process that is new has spent all of its time since. */
export function cpuSeconds(before: Processes, now: Processes, labels: Labels): Map<string, number> {
  const secondsOf = ({ pid, ticks }: ProcessView): number =>
    (ticks - (before.get(pid)?.ticks ?? 0)) / TICKS_PER_SECOND;
  return new Map(byLabel(now, labels).map(([label, views]) => [label, sum(views.map(secondsOf))]));
}

/**
 * Resident bytes by part. Pages that are shared (PostgreSQL's buffers, mapped program files) count once, as
 * many as the process has that maps most of them.
 */
export function residentBytes(processes: Processes, labels: Labels): Map<string, number> {
  const bytesOf = (views: readonly ProcessView[]): number => {
    const own = sum(views.map(({ residentPages, sharedPages }) => residentPages - sharedPages));
    return (own + Math.max(...views.map(({ sharedPages }) => sharedPages))) * PAGE_BYTES;
  };
  return new Map(byLabel(processes, labels).map(([label, views]) => [label, bytesOf(views)]));
}
