import type { Database } from "./connect.ts";
import type { PostgresServer } from "./open-client.ts";
import { openClient, type OpenedClient } from "./primary.ts";

export interface KeeperLockOptions extends PostgresServer {
  name: string;
  /**
   * The server takes the lock back from a keeper that was silent for this long, milliseconds: dead, frozen or
   * cut off. The keeper must call `tryAcquire` several times within it.
   */
  silentMs: number;
  /** Longest wait for a reply. Keep below `silentMs`. */
  deadlineMs: number;
  /** Called once each time the lock is lost other than by `release`: stop what the keeper is doing. */
  onLost: () => void;
  /** A clock that never goes back, milliseconds. */
  now?: () => number;
}

export interface KeeperLock {
  /**
   * Takes the lock if it is free, or confirms that this process still has it. False: someone else has it, or
   * the server does not answer.
   */
  tryAcquire: () => Promise<boolean>;
  /**
   * Whether this process is the keeper: the lock was confirmed so recently that nobody else can have
   * it. Costs nothing: ask before every act.
   */
  isOurs: () => boolean;
  release: () => Promise<void>;
}

const LOCK_NAME = "tollgate keeper";
const CLOSE_GRACE_MS = 1_000;

/**
 * A session advisory lock on a connection of its own: one keeper at a time. PostgreSQL ends the session, and
 * with it the lock, when the keeper's process dies, and after `silentMs` without a statement
 * (idle_session_timeout, so PostgreSQL 14 or later).
 */
export function createKeeperLock(options: KeeperLockOptions): KeeperLock {
  const now = options.now ?? (() => performance.now());
  let client: Promise<OpenedClient> | undefined;
  let confirmedAtMs: number | undefined;

  function open(): Promise<OpenedClient> {
    const opened: Promise<OpenedClient> = openClient(options, {
      name: options.name,
      max: 1,
      settings: {
        idle_session_timeout: options.silentMs,
        statement_timeout: options.deadlineMs,
      },
      // Never closed by the client while it has the lock.
      maxLifetimeSeconds: null,
      onclose: () => {
        if (client === opened) drop();
      },
    });
    return opened;
  }

  /** The lock lives and dies with its connection: without a sure reply the connection goes. */
  function drop(): void {
    const dropped = client;
    const wasOurs = confirmedAtMs !== undefined;
    client = undefined;
    confirmedAtMs = undefined;
    void endClient(dropped, 0);
    if (wasOurs) options.onLost();
  }

  async function ask(asked: Promise<OpenedClient>): Promise<boolean> {
    let opened: OpenedClient | undefined;
    let timer: Timer | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`no reply within ${options.deadlineMs} ms`)),
        options.deadlineMs,
      );
    });
    try {
      opened = await Promise.race([asked, deadline]);
      const { sql } = opened;
      // Asking again for a lock that one has would count it twice, so the keeper only shows that its session
      // lives.
      const query =
        confirmedAtMs === undefined
          ? sql<
              { locked: boolean }[]
            >`select pg_try_advisory_lock(hashtextextended(${LOCK_NAME}, 0)) as locked`
          : sql<{ locked: boolean }[]>`select true as locked`;
      const [row] = await Promise.race([query, deadline]);
      return row?.locked === true;
    } catch (error) {
      opened?.doubt();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    tryAcquire: async () => {
      // The server counts its patience from the last statement it got, so count from before this one is sent.
      const askedAtMs = now();
      const asked = (client ??= open());
      try {
        const isLocked = await ask(asked);
        if (client !== asked) return false;
        if (isLocked) confirmedAtMs = askedAtMs;
        return isLocked;
      } catch {
        // This is no error: a process that cannot reach the server is not the keeper.
        if (client === asked) drop();
        return false;
      }
    },
    isOurs: () => confirmedAtMs !== undefined && now() - confirmedAtMs < options.silentMs,
    release: async () => {
      const released = client;
      client = undefined;
      confirmedAtMs = undefined;
      await endClient(released, CLOSE_GRACE_MS);
    },
  };
}

async function endClient(
  client: Promise<OpenedClient> | undefined,
  graceMs: number,
): Promise<void> {
  const opened = await client?.catch(() => undefined);
  await opened?.sql.end({ timeout: graceMs / 1_000 }).catch(() => {});
}

/** Whether some process has the lock now. @throws {Fault} STORE_UNAVAILABLE */
export async function hasKeeper(database: Database): Promise<boolean> {
  const [row] = await database.run(
    "look for the keeper",
    (sql) => sql<{ is_locked: boolean }[]>`
      select exists (
        select
        from pg_locks l
          join pg_database d on d.oid = l.database
        where l.locktype = 'advisory'
          and l.granted
          and d.datname = current_database()
          -- How a key of 64 bits is shown: https://www.postgresql.org/docs/current/view-pg-locks.html
          and l.objsubid = 1
          and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(${LOCK_NAME}, 0)
      ) as is_locked`,
  );
  return row?.is_locked === true;
}
