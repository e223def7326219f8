import { setTimeout as pause } from "node:timers/promises";

import type { StatePaths } from "../../adapters/state/paths.ts";
import { CommandFailure, describeError } from "../../adapters/terminal/failure.ts";
import { isRunning } from "../processes/process-identity.ts";
import { findBinaries, type ServerName } from "../servers/binaries.ts";
import type { LocalServer } from "../servers/local-server.ts";
import { readLocalState, reviveServer } from "../servers/local.ts";
import { LOCAL_POSTGRES } from "../servers/postgres.ts";
import { LOCAL_RABBITMQ } from "../servers/rabbitmq.ts";
import { LOCAL_REDIS } from "../servers/redis.ts";
import { restartDelayMs } from "./supervise.ts";
import type { WatchedServer } from "./supervised-stack.ts";

/** A server that is kept running. */
export interface SupervisedServer {
  status: () => WatchedServer;
  /** Stops watching; the server goes on. Resolves when nothing of it is being started any more. */
  stop: () => Promise<void>;
}

/** What is known of one server, and how to bring it back. */
export interface ServerRevival {
  name: string;
  /** Whether all its processes run. */
  runs: () => boolean;
  /** Starts what does not run; resolves once the server answers. */
  revive: (signal: AbortSignal) => Promise<void>;
}

const LOOK_PERIOD_MS = 500;
/** A server that ran this long starts with the shortest delay again. */
const STEADY_MS = 30_000;

/**
 * Keeps a server running that somebody else has started: it is not our child, so it is looked at. Whatever
 * brings it back is tried for ever, with growing delays.
 */
export function superviseServer(
  { name, runs, revive }: ServerRevival,
  onChange: () => void,
): SupervisedServer {
  const stopping = new AbortController();
  const { signal } = stopping;
  let restarts = 0;
  let restartsInRow = 0;
  let problem: string | undefined;
  let isDown = false;
  let revivedAtMs = Date.now();

  async function bringBack(): Promise<void> {
    if (Date.now() - revivedAtMs > STEADY_MS) restartsInRow = 0;
    isDown = true;
    onChange();
    while (!signal.aborted) {
      restartsInRow += 1;
      await rest(restartDelayMs(restartsInRow));
      if (signal.aborted) return;
      try {
        restarts += 1;
        onChange();
        await revive(signal);
        isDown = false;
        problem = undefined;
        revivedAtMs = Date.now();
        onChange();
        return;
      } catch (error) {
        if (signal.aborted) return;
        problem = describeError(error);
        onChange();
      }
    }
  }

  /** Ends early when it is stopped. */
  const rest = (ms: number): Promise<void> => pause(ms, undefined, { signal }).catch(() => {});

  async function watch(): Promise<void> {
    while (!signal.aborted) {
      if (runs()) await rest(LOOK_PERIOD_MS);
      else await bringBack();
    }
  }

  const watching = watch();
  return {
    status: () => ({
      name,
      state: isDown ? "restarting" : "running",
      restarts,
      ...(problem === undefined ? {} : { problem }),
    }),
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}

/** How the private servers of a stack are brought back, each from its own programs. */
export function localRevivals(paths: StatePaths, searchPath: string): ServerRevival[] {
  const revivalOf = <Name extends ServerName>(server: LocalServer<Name>): ServerRevival => ({
    name: server.name,
    // One that was stopped has none, and is not to be started.
    runs: () =>
      readLocalState(paths, server.name)?.processes.every(({ identity }) => isRunning(identity)) ??
      true,
    revive: async (signal) => {
      const programs = findBinaries(searchPath)[server.name];
      if (programs === undefined)
        throw new CommandFailure(`the programs of ${server.title} are gone: install them again`);
      await reviveServer(server, programs, paths, signal);
    },
  });
  return [revivalOf(LOCAL_POSTGRES), revivalOf(LOCAL_REDIS), revivalOf(LOCAL_RABBITMQ)];
}
