import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { bringPackage } from "./bring-package.ts";

/**
 * A clock for processes in place of the machine's: it goes as fast, but shows another time.
 */
export interface FakeClock {
  /** The environment that makes a process go by this clock. */
  env: (program: "redis" | "postgres" | "bun") => Record<string, string>;
  /** Sets how far it is ahead of the machine's, milliseconds. Processes notice within `NOTICED_MS`. */
  setAhead: (aheadMs: number) => void;
  now: () => number;
  remove: () => void;
}

/** How long a process may go by the old setting. */
export const NOTICED_MS = 1_100;

const LIBRARIES = new Bun.Glob("*/faketime/libfaketime*.so.1");

/** The folder of libfaketime's libraries where Debian puts them. */
const findLibraries = (): string | undefined =>
  [...LIBRARIES.scanSync({ cwd: "/usr/lib", absolute: true })][0]?.replace(/[^/]+$/, "");

/** The folder of libfaketime; undefined, after saying why, where there is none. */
export const bringFaketime = (): Promise<string | undefined> =>
  bringPackage("libfaketime", findLibraries, "what sets the clocks of servers");

export function createFakeClock(libraries: string, aheadMs: number): FakeClock {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-clock-"));
  const path = join(folder, "ahead");
  let ahead = aheadMs;

  function write(): void {
    // PostgreSQL runs as another user, and must never find half a number.
    writeFileSync(`${path}.new`, `${ahead < 0 ? "-" : "+"}${Math.abs(ahead) / 1_000}\n`);
    renameSync(`${path}.new`, path);
  }
  Bun.spawnSync(["chmod", "755", folder]);
  write();

  const preload = {
    // jemalloc asks for the time before the library is ready, so Redis gets the C library's allocator.
    redis: `${libraries}libfaketime.so.1 libc.so.6`,
    postgres: `${libraries}libfaketime.so.1`,
    bun: `${libraries}libfaketimeMT.so.1`,
  };
  return {
    env: (program) => ({
      LD_PRELOAD: preload[program],
      FAKETIME_TIMESTAMP_FILE: path,
      FAKETIME_CACHE_DURATION: "1",
      // Timers go by this clock.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    }),
    setAhead: (ms) => {
      ahead = ms;
      write();
    },
    now: () => Date.now() + ahead,
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
      removeLeftovers();
    },
  };
}

const SHARED_MEMORY = "/dev/shm";

/** What the library keeps for each process, and leaves behind when that is killed. */
function removeLeftovers(): void {
  if (!existsSync(SHARED_MEMORY)) return;
  for (const name of readdirSync(SHARED_MEMORY)) {
    const pid = /^(?:sem\.)?faketime_(?:sem|shm)_(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(SHARED_MEMORY, name));
  }
}
