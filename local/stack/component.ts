import { callHere } from "../../adapters/process/direct.ts";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";

import { parseProcStat, residentBytes } from "../processes/process-identity.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { WITH_PARENT } from "../processes/processes.ts";
import { callerFiles, listenerEnvironment, type LocalTls } from "../tls/local-tls.ts";
import { type Role, ROLE_FACTS, withheldFrom } from "../roles.ts";
import { eventually, untilTrue } from "./eventually.ts";

export interface ComponentSpec {
  /** As in `gateway-1`. */
  name: string;
  role: Role;
  ownPort: number;
  /** For a role that has an API; several gateways may share it. */
  apiPort?: number;
  env: Readonly<Record<string, string>>;
  logPath: string;
  /** undefined: it listens in plain text. */
  tls: LocalTls | undefined;
}

/**
 * One process of a stack. It may end and be started again, always under the same name and on the same ports.
 */
export interface Component {
  name: string;
  role: Role;
  /** Base URL of its API; for a role without one, of its own port. */
  url: string;
  metricsUrl: string;
  /** What `/metrics` says. @throws when it does not answer within `withinMs` */
  readMetrics: (withinMs?: number) => Promise<string>;
  /** Starts it and waits until it is ready; `env` only for this start, such as `CRASH_AT`. */
  start: (env?: Record<string, string>) => Promise<void>;
  /**
   * From its next start on it runs the code of another folder, laid out as this project, with more
   * environment.
   */
  useBuild: (folder: string, env?: Readonly<Record<string, string>>) => void;
  signal: (signal: NodeJS.Signals) => void;
  /** SIGKILL, and waits for the end. */
  kill: () => Promise<void>;
  /** Sends SIGTERM and returns the exit code. */
  terminate: (withinMs?: number) => Promise<number>;
  isRunning: () => boolean;
  /** Started and not seen ready yet. */
  isStarting: () => boolean;
  /** undefined while it does not run. */
  pid: () => number | undefined;
  /** Exit code, or minus the signal's number. @throws when it still runs after `withinMs` */
  untilEnded: (withinMs: number) => Promise<number>;
  /** Resolves once the process is frozen (SIGSTOP). */
  untilFrozen: (withinMs: number) => Promise<void>;
  /** Resident memory in bytes; undefined while it does not run. */
  memoryBytes: () => number | undefined;
  log: () => string;
}

const METRICS_LIMIT_MS = 5_000;
const READY_LIMIT_MS = 40_000;
const END_LIMIT_MS = 20_000;

/** The environment of a component: its role's, what it is given, its ports. */
function environmentOf({
  role,
  ownPort,
  apiPort,
  env,
  tls,
}: ComponentSpec): Record<string, string> {
  const facts = ROLE_FACTS[role];
  const ports: Record<string, string> = { [facts.ownPort]: String(ownPort) };
  if (facts.apiPort !== undefined && apiPort !== undefined) ports[facts.apiPort] = String(apiPort);
  const listening = tls === undefined ? {} : listenerEnvironment(role, tls);
  return {
    NODE_ENV: "production",
    ...facts.env,
    ...listening,
    ...env,
    ...withheldFrom(role),
    ...ports,
  };
}

/** A component that does not run yet. It is killed with this process. */
export function createComponent(spec: ComponentSpec): Component {
  const { entry, healthPath } = ROLE_FACTS[spec.role];
  const scheme = spec.tls === undefined ? "http" : "https";
  const caller = spec.tls && callerFiles(spec.tls);
  const ownUrl = `${scheme}://127.0.0.1:${spec.ownPort}`;
  let child: Bun.Subprocess | undefined;
  let isStarting = false;
  let build = PROJECT_ROOT;
  let buildEnv: Readonly<Record<string, string>> = {};

  const isRunning = (): boolean =>
    child !== undefined && child.exitCode === null && child.signalCode === null;

  const log = (): string => (existsSync(spec.logPath) ? readFileSync(spec.logPath, "utf8") : "");

  const signal = (name: NodeJS.Signals): void => {
    if (isRunning()) child?.kill(name);
  };

  async function untilEnded(withinMs: number): Promise<number> {
    const ended = child?.exited;
    if (child === undefined || ended === undefined) throw new Error(`${spec.name} never ran`);
    let timer: Timer | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${spec.name} still runs after ${withinMs} ms`)),
        withinMs,
      );
    });
    try {
      return await Promise.race([ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async function untilReady(): Promise<void> {
    await eventually(`${spec.name} is ready`, READY_LIMIT_MS, async () => {
      if (!isRunning()) return "ended";
      const reply = await fetch(`${ownUrl}${healthPath}`, {
        ...callHere(caller),
        signal: AbortSignal.timeout(2_000),
      });
      return reply.ok ? "ready" : undefined;
    });
    if (!isRunning()) throw new Error(`${spec.name} ended while starting:\n${log().slice(-2_000)}`);
  }

  return {
    name: spec.name,
    role: spec.role,
    url: spec.apiPort === undefined ? ownUrl : `${scheme}://127.0.0.1:${spec.apiPort}`,
    metricsUrl: `${ownUrl}/metrics`,
    readMetrics: async (withinMs = METRICS_LIMIT_MS) => {
      const limit = { signal: AbortSignal.timeout(withinMs) };
      const reply = await fetch(`${ownUrl}/metrics`, { ...callHere(caller), ...limit });
      return await reply.text();
    },
    start: async (env = {}) => {
      if (isRunning()) throw new Error(`${spec.name} runs already`);
      const out = openSync(spec.logPath, "a", 0o600);
      try {
        child = Bun.spawn([...WITH_PARENT, process.execPath, entry], {
          cwd: build,
          env: {
            PATH: process.env["PATH"],
            TZ: "UTC",
            ...environmentOf(spec),
            ...buildEnv,
            ...env,
          },
          stdin: "ignore",
          stdout: out,
          stderr: out,
        });
      } finally {
        closeSync(out);
      }
      isStarting = true;
      await untilReady().finally(() => {
        isStarting = false;
      });
    },
    useBuild: (folder, env = {}) => {
      build = folder;
      buildEnv = env;
    },
    signal,
    kill: async () => {
      if (!isRunning()) return;
      signal("SIGKILL");
      await untilEnded(END_LIMIT_MS);
    },
    terminate: async (withinMs = END_LIMIT_MS) => {
      signal("SIGTERM");
      return untilEnded(withinMs);
    },
    isRunning,
    isStarting: () => isStarting,
    pid: () => (isRunning() ? child?.pid : undefined),
    untilEnded,
    untilFrozen: (withinMs) =>
      untilTrue(`${spec.name} is frozen`, withinMs, () => {
        const stat = readFileSync(`/proc/${child?.pid}/stat`, "utf8");
        return parseProcStat(stat)?.state === "T";
      }),
    memoryBytes: () => (isRunning() && child !== undefined ? residentBytes(child.pid) : undefined),
    log,
  };
}
