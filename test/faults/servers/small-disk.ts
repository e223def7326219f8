import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { WITH_PARENT } from "../../../local/processes/processes.ts";
import { untilTrue } from "../../../local/stack/eventually.ts";

/**
 * A file system of a fixed size that only the processes told to enter see; the kernel removes it when the
 * last of them ends.
 */
export interface SmallDisk {
  /** Put before a command: it becomes that command, and sees the disk in the place of the folder. */
  enter: readonly string[];
  /** Takes all the room that is left. */
  fill: () => void;
  /** Gives back what `fill` took. */
  makeRoom: () => void;
  remove: () => Promise<void>;
}

const MOUNT_LIMIT_MS = 10_000;
const CHUNK = Buffer.alloc(1024 * 1024);

/** Why no disk can be made here; undefined: it can. It takes root, and a container may forbid even that. */
export function smallDiskProblem(): string | undefined {
  if (process.getuid?.() !== 0) return "mounting a file system takes root";
  // By a shell, which says so where the programs are missing.
  const mount = 'unshare --mount mount -t tmpfs none "$0" && command -v nsenter';
  const { success, stderr } = Bun.spawnSync(["sh", "-c", mount, tmpdir()]);
  return success ? undefined : `no file system can be mounted: ${stderr.toString().trim()}`;
}

/** Makes a disk with a copy of a folder in the place of that folder. */
export async function makeSmallDisk(folder: string, megabytes: number): Promise<SmallDisk> {
  const room = `${folder}.disk`;
  const script = `set -e
    mkdir "$2"
    mount -t tmpfs -o "size=$3m,mode=0755" none "$2"
    cp -a "$1" "$2/data"
    mount --bind "$2/data" "$1"
    touch "$2/mounted"
    exec sleep infinity`;
  // A namespace of mounts of its own, which lasts as long as this process.
  const holder = Bun.spawn(
    [
      ...WITH_PARENT,
      "unshare",
      "--mount",
      "sh",
      "-c",
      script,
      "sh",
      folder,
      room,
      String(megabytes),
    ],
    { stdin: "ignore", stdout: "ignore", stderr: "inherit" },
  );
  /** The disk as this process sees it: proc(5), `/proc/pid/root`. */
  const inside = (name: string): string => join(`/proc/${holder.pid}/root`, room, name);
  const filler = inside("filler");
  await untilTrue("a disk is mounted", MOUNT_LIMIT_MS, () => Bun.file(inside("mounted")).exists());

  return {
    enter: ["nsenter", "--target", String(holder.pid), "--mount", "--"],
    fill: () => writeUntilFull(filler),
    makeRoom: () => rmSync(filler, { force: true }),
    remove: async () => {
      holder.kill("SIGKILL");
      await holder.exited;
    },
  };
}

function writeUntilFull(path: string): void {
  const file = openSync(path, "a");
  try {
    for (;;) writeSync(file, CHUNK);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  } finally {
    closeSync(file);
  }
}
