import { closeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import type { ComponentPlan } from "../components.ts";
import { type Backoff, backoffMs } from "../../runtime/backoff.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { identifyProcess } from "../processes/process-identity.ts";
import { openLog } from "../processes/processes.ts";
import type { RunningComponent } from "./supervised-stack.ts";

const RESTART_BACKOFF: Backoff = { firstMs: 250, longestMs: 10_000, jitter: 0 };
/** A component that ran this long starts with the shortest delay again. */
const STEADY_MS = 30_000;

/** Before the nth restart in a row (from 1): 250, 500, 1000 … 10000 ms. */
export function restartDelayMs(nth: number): number {
  return backoffMs(RESTART_BACKOFF, nth, 0);
}

export interface Supervised {
  status: () => RunningComponent;
  /** Ends it: politely, and after the grace by force. No restart follows. */
  stop: (graceMs: number) => Promise<void>;
}

type Spawned = Bun.Subprocess<"ignore", number, number>;

/** Keeps one component running: starts it again, with growing delays, whenever it ends. */
export function superviseComponent(
  component: ComponentPlan,
  logsFolder: string,
  onChange: () => void,
): Supervised {
  const stopping = new AbortController();
  let child: Spawned | undefined;
  let startedAtMs = Date.now();
  let restarts = 0;
  let restartsInRow = 0;

  function start(): Spawned {
    startedAtMs = Date.now();
    // Straight into the file: a pipe would break when this supervisor is killed, and take the component with
    // it.
    const log = openLog(join(logsFolder, `${component.name}.log`));
    const spawned = Bun.spawn([process.execPath, component.entry], {
      cwd: PROJECT_ROOT,
      env: { ...process.env, ...component.env },
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
    closeSync(log);
    return spawned;
  }

  async function keepRunning(): Promise<void> {
    while (!stopping.signal.aborted) {
      child = start();
      onChange();
      await child.exited;
      child = undefined;
      if (stopping.signal.aborted) break;
      if (Date.now() - startedAtMs > STEADY_MS) restartsInRow = 0;
      restarts += 1;
      restartsInRow += 1;
      onChange();
      await pause(restartDelayMs(restartsInRow), undefined, { signal: stopping.signal }).catch(
        () => {}, // stopped meanwhile
      );
    }
    onChange();
  }

  const ended = keepRunning();

  function status(): RunningComponent {
    const identity = child === undefined ? undefined : identifyProcess(child.pid);
    const downState = stopping.signal.aborted ? "stopped" : "restarting";
    return {
      name: component.name,
      state: identity === undefined ? downState : "running",
      ...(identity === undefined ? {} : { identity }),
      ports: component.ports.map(({ number }) => number),
      restarts,
      started_at: new Date(startedAtMs).toISOString(),
    };
  }

  return {
    status,
    stop: async (graceMs) => {
      stopping.abort();
      child?.kill("SIGTERM");
      const force = setTimeout(() => child?.kill("SIGKILL"), graceMs);
      await ended;
      clearTimeout(force);
    },
  };
}
