import { OBSERVERS } from "./observe/observe.ts";
import type { StatePaths } from "../adapters/state/paths.ts";
import { isRunning, type ProcessIdentity, residentBytes } from "./processes/process-identity.ts";
import { listDockerServers } from "./servers/docker.ts";
import { LOCAL_SERVERS, readLocalState } from "./servers/local.ts";
import { readStack } from "./supervision/supervised-stack.ts";

/** One line of `ps`. */
export interface ProcessRow {
  component: string;
  state: string;
  pid: number | null;
  uptime_seconds: number | null;
  rss_bytes: number | null;
  ports: number[];
  restarts: number;
}

function row(
  component: string,
  identity: ProcessIdentity | undefined,
  more: { state: string; startedAt?: string; ports?: number[]; restarts?: number },
): ProcessRow {
  const runs = identity !== undefined && isRunning(identity);
  const startedAtMs = more.startedAt === undefined ? Number.NaN : Date.parse(more.startedAt);
  const uptime = Math.max(0, Math.round((Date.now() - startedAtMs) / 1000));
  return {
    component,
    state: runs ? "running" : more.state,
    pid: runs ? identity.pid : null,
    uptime_seconds: runs && Number.isFinite(uptime) ? uptime : null,
    rss_bytes: runs ? (residentBytes(identity.pid) ?? null) : null,
    ports: more.ports ?? [],
    restarts: more.restarts ?? 0,
  };
}

/** Every process that `up` started, servers first; empty when there is none. */
export function listProcesses(paths: StatePaths): ProcessRow[] {
  const rows: ProcessRow[] = [];
  const stack = readStack(paths);
  for (const { name, portNames } of [...LOCAL_SERVERS, ...OBSERVERS]) {
    const state = readLocalState(paths, name);
    const main = state?.processes.find((one) => one.name === name);
    if (state === undefined || main === undefined) continue;
    const watched = stack?.servers?.find((server) => server.name === name);
    rows.push(
      row(name, main.identity, {
        state: watched?.state === "restarting" ? "restarting" : "ended",
        restarts: watched?.restarts ?? 0,
        startedAt: main.started_at,
        ports: portNames.slice(0, 1).flatMap((portName) => state.ports[portName] ?? []),
      }),
    );
  }
  for (const { name, isRunning: runs, port } of listDockerServers(paths))
    rows.push(row(name, undefined, { state: runs ? "in docker" : "ended", ports: [port] }));
  if (stack === undefined) return rows;
  rows.push(row("supervisor", stack.supervisor, { state: "ended", startedAt: stack.started_at }));
  for (const { name, identity, state, started_at: startedAt, ports, restarts } of stack.components)
    rows.push(
      row(name, identity, {
        state: state === "running" ? "ended" : state,
        startedAt,
        ports,
        restarts,
      }),
    );
  return rows;
}

const duration = (seconds: number): string => {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
};

/** The rows as aligned columns under a heading. */
export function formatProcesses(rows: readonly ProcessRow[]): string {
  const cells = [
    ["COMPONENT", "PID", "STATE", "UPTIME", "RSS", "PORT"],
    ...rows.map((one) => [
      one.component,
      String(one.pid ?? "-"),
      one.restarts === 0 ? one.state : `${one.state}, restarted ${one.restarts}x`,
      one.uptime_seconds === null ? "-" : duration(one.uptime_seconds),
      one.rss_bytes === null ? "-" : `${Math.round(one.rss_bytes / 1024 / 1024)} MB`,
      one.ports.join(",") || "-",
    ]),
  ];
  const widths =
    cells[0]?.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0))) ?? [];
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
