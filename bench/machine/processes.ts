import { readdirSync, readFileSync } from "node:fs";

export interface ProcessView {
  pid: number;
  parent: number;
  /** CPU time, hundredths of a second. */
  ticks: number;
  /** Resident pages, and those of them that are shared with others. */
  residentPages: number;
  sharedPages: number;
}

const PAGE_BYTES = 4_096;
export const TICKS_PER_SECOND = 100;

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
export function readProcesses(): Map<number, ProcessView> {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return new Map();
  }
  const found = new Map<number, ProcessView>();
  for (const name of names) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const view = viewOf(pid);
    if (view !== undefined) found.set(pid, view);
  }
  return found;
}

/** Busy ticks of the whole machine since boot, all cores. */
export function machineTicks(): number {
  const [, user, nice, system, , , irq, softirq] = (read("/proc/stat") ?? "")
    .split("\n", 1)
    .join("")
    .split(/\s+/)
    .map(Number);
  return [user, nice, system, irq, softirq].reduce<number>((sum, one) => sum + (one ?? 0), 0);
}

/** A process counts for its nearest ancestor that has a label, itself included. */
export function labelOf(
  pid: number,
  processes: ReadonlyMap<number, ProcessView>,
  labels: ReadonlyMap<number, string>,
): string | undefined {
  for (let at: number | undefined = pid; at !== undefined && at > 1;) {
    const label = labels.get(at);
    if (label !== undefined) return label;
    at = processes.get(at)?.parent;
  }
  return undefined;
}

/**
 * Usage by label. Shared pages (PostgreSQL's buffers, mapped program files) are counted once per label, as
 * large as the process that maps most of them.
 */
export function usageByLabel(
  processes: ReadonlyMap<number, ProcessView>,
  labels: ReadonlyMap<number, string>,
): Map<string, { ticksByPid: Map<number, number>; bytes: number }> {
  const shared = new Map<string, number>();
  const usage = new Map<string, { ticksByPid: Map<number, number>; bytes: number }>();
  for (const { pid, ticks, residentPages, sharedPages } of processes.values()) {
    const label = labelOf(pid, processes, labels);
    if (label === undefined) continue;
    const of = usage.get(label) ?? { ticksByPid: new Map<number, number>(), bytes: 0 };
    of.ticksByPid.set(pid, ticks);
    of.bytes += (residentPages - sharedPages) * PAGE_BYTES;
    usage.set(label, of);
    shared.set(label, Math.max(shared.get(label) ?? 0, sharedPages * PAGE_BYTES));
  }
  for (const [label, bytes] of shared) {
    const of = usage.get(label);
    if (of !== undefined) of.bytes += bytes;
  }
  return usage;
}
