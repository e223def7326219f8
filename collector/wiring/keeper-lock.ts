import { createKeeperLock, type KeeperLock } from "../../adapters/postgres/keeper-lock.ts";
import type { Config } from "../../core/config/schema.ts";
import type { Log } from "../../runtime/log.ts";

/** A keeper silent for this long is replaced. */
const SILENT_MS = 5_000;
const DEADLINE_MS = 2_000;

/** The lock that makes one collector the keeper; `name` is that of its connection. */
export const openKeeperLock = ({ postgres }: Config, name: string, log: Log): KeeperLock =>
  createKeeperLock({
    url: postgres.url,
    name,
    silentMs: SILENT_MS,
    deadlineMs: DEADLINE_MS,
    onLost: () => log.warn({}, "no longer the keeper: the lock was lost"),
  });
