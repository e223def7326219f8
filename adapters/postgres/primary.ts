import { setTimeout as pause } from "node:timers/promises";
import type postgres from "postgres";

import { type PostgresHost, readPostgresUrl } from "../../core/config/postgres-url.ts";
import {
  type ClientOptions,
  openClientAt,
  type PostgresServer,
  type Primary,
} from "./open-client.ts";

/** None of several servers takes writes now. */
export class NoPrimary extends Error {
  override readonly name = "NoPrimary";
  readonly code = "NO_PRIMARY";
}

/** Longest wait for a server. */
const ANSWER_LIMIT_MS = 2_000;
/** How long the others are waited for once a server has said that it takes writes. */
const OTHERS_LIMIT_MS = 300;
/** Between two looks, while nobody takes writes. */
const PAUSE_MS = 250;

/**
 * It is our own and not `target_session_attrs` of postgres.js (3.4.9), because that begins each pool with the
 * first host: one that is frozen or cut off takes every connection until its time is over, so that no other
 * host is ever tried. It also goes on looking, without a pause, for pools that were given up, and then runs
 * their statements.
 */
export function createPrimary(server: PostgresServer): Primary {
  const { hosts } = readPostgresUrl(server.url);
  const [first] = hosts;
  const isOnly = first !== undefined && hosts.length === 1;
  let finding: Promise<PostgresHost> | undefined = isOnly ? Promise.resolve(first) : undefined;
  let found: PostgresHost | undefined;
  let lookedAtMs = -PAUSE_MS;

  async function lookAgain(): Promise<PostgresHost> {
    const earlyMs = lookedAtMs + PAUSE_MS - performance.now();
    if (earlyMs > 0) await pause(earlyMs);
    try {
      found = await look(server, hosts);
      return found;
    } catch (error) {
      finding = undefined;
      throw error;
    } finally {
      lookedAtMs = performance.now();
    }
  }

  return {
    isOnly,
    find: () => (finding ??= lookAgain()),
    doubt: (host) => {
      if (isOnly || host !== found) return;
      found = undefined;
      finding = undefined;
    },
  };
}

/** Asks all at the same time. @throws {NoPrimary} */
async function look(server: PostgresServer, hosts: readonly PostgresHost[]): Promise<PostgresHost> {
  const takers: { host: PostgresHost; timeline: number }[] = [];
  const asking = hosts.map(async (host) => {
    takers.push({ host, timeline: await readTimeline(server, host) });
  });
  const all = Promise.allSettled(asking);
  const withinGrace = Promise.any(asking).then(
    () => pause(OTHERS_LIMIT_MS),
    () => {},
  );
  await Promise.race([all, withinGrace]);
  // One that was replaced and does not know it yet has an older timeline.
  const [newest] = takers.toSorted((a, b) => b.timeline - a.timeline);
  if (newest !== undefined) return newest.host;
  const problems = (await all).map((end, index) => {
    const { host, port } = hosts[index] as PostgresHost;
    return `${host}:${port} ${end.status === "rejected" ? (end.reason as Error).message : ""}`;
  });
  throw new NoPrimary(`no server takes writes: ${problems.join(", ")}`);
}

/**
 * The timeline of a server that takes writes; 0 if it cannot be read.
 *
 * @throws {Error} for any other server
 */
async function readTimeline(server: PostgresServer, host: PostgresHost): Promise<number> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(() => limit.reject(new Error("is silent")), ANSWER_LIMIT_MS);
  const sql = openClientAt(server, host, {
    name: "tollgate-primary",
    max: 1,
    connectTimeoutSeconds: ANSWER_LIMIT_MS / 1_000,
  });
  const read = async (): Promise<number> => {
    const [state] = await sql<{ takes_writes: boolean }[]>`
      select current_setting('transaction_read_only') = 'off' as takes_writes`;
    if (state?.takes_writes !== true) throw new Error("is read-only");
    // Not every service that speaks PostgreSQL's protocol has a WAL to show.
    const [wal] = await sql<{ timeline: number }[]>`
      select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer as timeline
    `.catch(() => []);
    return wal?.timeline ?? 0;
  };
  try {
    return await Promise.race([read(), limit.promise]);
  } finally {
    clearTimeout(timer);
    void sql.end({ timeout: 0 }).catch(() => {});
  }
}

/** A client of the server that takes writes. */
export interface OpenedClient {
  sql: postgres.Sql;
  /** Whether another server may take its place. */
  isReplaceable: boolean;
  /** Something is wrong there: the next client looks again for the server that takes writes. */
  doubt: () => void;
}

/**
 * Makes a client of PostgreSQL; every one of this project is made here, but for those that look for the
 * primary. With one server it connects with its first query.
 *
 * @throws {Error} when the URL cannot be read
 * @throws {NoPrimary} when none of several servers takes writes
 */
export async function openClient(
  server: PostgresServer,
  options: ClientOptions,
): Promise<OpenedClient> {
  const primary = server.primary ?? createPrimary(server);
  const host = await primary.find();
  return {
    sql: openClientAt(server, host, { ...options, takesWrites: !primary.isOnly }),
    isReplaceable: !primary.isOnly,
    doubt: () => primary.doubt(host),
  };
}
