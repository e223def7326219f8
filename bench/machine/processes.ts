import { existsSync, readdirSync, readFileSync } from "node:fs";

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
  const names = existsSync("/proc") ? readdirSync("/proc") : [];
  const views = names.filter((name) => /^\d+$/.test(name)).map((name) => viewOf(Number(name)));
  return new Map(views.flatMap((view) => (view === undefined ? [] : [[view.pid, view]])));
}

/** Busy ticks of the whole machine since boot, all cores. */
export function machineTicks(): number {
  const [line = ""] = (read("/proc/stat") ?? "").split("\n", 1);
  // proc(5), behind "cpu": user, nice, system, idle, iowait, irq, softirq.
  const ticks = line.split(/ +/).slice(1).map(Number);
  return [0, 1, 2, 5, 6].reduce((sum, field) => sum + (ticks[field] ?? 0), 0);
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

export interface Usage {
  ticksByPid: Map<number, number>;
  ownBytes: number;
  /**
   * Pages that are shared (PostgreSQL's buffers, mapped program files), as many as the process has that maps
   * most of them.
   */
  sharedBytes: number;
}

export function usageByLabel(
  processes: ReadonlyMap<number, ProcessView>,
  labels: ReadonlyMap<number, string>,
): Map<string, Usage> {
  const usage = new Map<string, Usage>();
  for (const { pid, ticks, residentPages, sharedPages } of processes.values()) {
    const label = labelOf(pid, processes, labels);
    if (label === undefined) continue;
    const of = usage.get(label) ?? { ticksByPid: new Map(), ownBytes: 0, sharedBytes: 0 };
    of.ticksByPid.set(pid, ticks);
    of.ownBytes += (residentPages - sharedPages) * PAGE_BYTES;
    of.sharedBytes = Math.max(of.sharedBytes, sharedPages * PAGE_BYTES);
    usage.set(label, of);
  }
  return usage;
}
