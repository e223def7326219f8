import { createKeeperLock, type KeeperLock } from "../../adapters/postgres/keeper-lock.ts";
import type { PostgresServer } from "../../adapters/postgres/open-client.ts";
import { checkSession } from "../../adapters/postgres/require-session.ts";
import type { Log } from "../../runtime/log.ts";

/** A keeper silent for this long is replaced. */
const SILENT_MS = 5_000;
const DEADLINE_MS = 2_000;

/**
 * The lock that makes one collector the keeper; `name` is that of its connection.
 *
 * @throws {NoSession} when a pooler leads to a connection that is shared
 * @throws {Fault} STORE_UNAVAILABLE when the server does not answer
 */
export async function openKeeperLock(
  server: PostgresServer,
  name: string,
  log: Log,
): Promise<KeeperLock> {
  await checkSession(server);
  return createKeeperLock({
    ...server,
    name,
    silentMs: SILENT_MS,
    deadlineMs: DEADLINE_MS,
    onLost: () => log.warn({}, "no longer the keeper: the lock was lost"),
  });
}
