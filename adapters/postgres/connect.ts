import type postgres from "postgres";

import { Fault } from "../../core/faults.ts";
import {
  isConnectionLoss,
  isDataFault,
  isOfStatement,
  isReadOnly,
  isRecovering,
  isRefusal,
  isRefusedSetting,
  isServerError,
} from "./errors.ts";
import type { PostgresServer } from "./open-client.ts";
import { createPrimary, openClient, type OpenedClient } from "./primary.ts";
import { createRefusals } from "./refusals.ts";
import { NoSession } from "./require-session.ts";

export interface PostgresOptions extends PostgresServer {
  /**
   * Most connections of this process; a third of them, at least one, is for statements planned once, unless
   * there is only one.
   */
  poolMax: number;
  /** The server cancels a statement after this, milliseconds. */
  statementTimeoutMs: number;
  /**
   * Without a reply by then, waiting for a free connection included, the pool is replaced. Keep above
   * `statementTimeoutMs`.
   */
  deadlineMs: number;
  /** `application_name`, as shown in `pg_stat_activity`. */
  name: string;
}

/**
 * Tagged templates only, no `begin`: what must happen together is one statement with CTEs, which saves round
 * trips. It is also safer: when a connection ends within a transaction, postgres.js 3.4.9 writes its rollback
 * to the closed socket and throws outside any promise.
 */
export type Sql = postgres.ISql;

/**
 * `each`: the server plans the statement anew each time, so that a plan made while today's partition was
 * empty never reads it from end to end once it is full, and only the partitions that are asked for are
 * planned. That planning was no slower: with 38 partitions, finding 20 requests took 0.3 ms instead of 0.6.
 *
 * `once`: each connection keeps its first plan. For statements that only one plan can serve, or that would
 * have to plan every partition.
 */
export type Planning = "each" | "once";

type Run = <Result>(
  label: string,
  statement: (sql: Sql) => PromiseLike<Result>,
  planning?: Planning,
) => Promise<Result>;

/**
 * Statements on PostgreSQL. Every function of this folder that takes a `Database` throws what its `run`
 * throws.
 */
export interface Database {
  /**
   * Runs one statement. Settles within the deadline, whatever the server does.
   *
   * @throws {Fault} STORE_UNAVAILABLE with its cause for everything that is wrong with the server, the
   * network or the schema; after a deadline or a lost connection the outcome on the server is unknown
   * @throws an error that lies in the data (`isDataFault`), as it is
   * @throws {NoSession} when a pooler that is not known of refuses our settings
   */
  run: Run;
  /**
   * Resolves when the server answers, and takes writes. `aheadMs`: how far its clock is ahead of this
   * machine's, give or take half the round trip.
   *
   * @throws as `run`
   * @throws {NoSession} when a pooler that is not known of answers in its place
   */
  ping: () => Promise<{ aheadMs: number; roundTripMs: number }>;
  /** Gives running queries `graceMs` to end, then cuts them. Never rejects. */
  close: (graceMs?: number) => Promise<void>;
}

const CLOSE_GRACE_MS = 5_000;

const PLANNED: Record<Planning, Record<string, string>> = {
  each: { plan_cache_mode: "force_custom_plan" },
  // A table that was empty or small when the plan was made grows.
  once: { plan_cache_mode: "force_generic_plan", enable_seqscan: "off" },
};

/**
 * Connects lazily: the first query opens the first connection. An unreachable server shows in `run`.
 *
 * @throws {Error} when the URL cannot be read
 */
export function connectPostgres(wanted: PostgresOptions): Database {
  const options = { ...wanted, primary: wanted.primary ?? createPrimary(wanted) };
  const onceMax = options.poolMax === 1 ? 0 : Math.ceil(options.poolMax / 3);
  const each = openLane(options, options.poolMax - onceMax, "each");
  const once = onceMax === 0 ? each : openLane(options, onceMax, "once");
  const run: Run = (label, statement, planning) =>
    (planning === "once" ? once : each).run(label, statement);
  return {
    run,
    ping: () => run("ping", (sql) => ping(sql, options.isPooled === true)),
    close: async (graceMs = CLOSE_GRACE_MS) => {
      await Promise.all([each.close(graceMs), once.close(graceMs)]);
    },
  };
}

async function ping(sql: Sql, isPooled: boolean): ReturnType<Database["ping"]> {
  const startedMs = performance.now();
  const [row] = await sql<{ at: number; planning: string; read_only: string }[]>`
    select clock_timestamp() as at,
      current_setting('plan_cache_mode') as planning,
      current_setting('transaction_read_only') as read_only`;
  if (row === undefined) throw new Error("select returned no row");
  const roundTripMs = performance.now() - startedMs;
  if (!isPooled && row.planning !== PLANNED.each["plan_cache_mode"]) throw new NoSession();
  if (row.read_only === "on")
    throw unavailable(
      "takes no writes, because it is a standby or default_transaction_read_only is on",
      "ping",
    );
  return { aheadMs: row.at - (Date.now() - roundTripMs / 2), roundTripMs };
}

interface Lane {
  run: Run;
  close: (graceMs: number) => Promise<void>;
}

interface Pool {
  opening: Promise<OpenedClient>;
  /** Once it is open. */
  client: OpenedClient | undefined;
}

/** Connections on which statements are planned in one way. */
function openLane(options: PostgresOptions, connectionsMax: number, planning: Planning): Lane {
  const refusals = createRefusals();
  let current: Pool | undefined;

  function openPool(): Pool {
    const pool: Pool = {
      opening: openClient(options, {
        name: options.name,
        max: connectionsMax,
        // Rebalances after a failover and bounds what a backend's caches can grow to.
        maxLifetimeSeconds: 1_800,
        settings: {
          statement_timeout: options.statementTimeoutMs,
          // Compiling costs more than any of our statements.
          jit: "off",
          ...PLANNED[planning],
        },
        // The server may be back soon, but as a standby.
        onclose: () => {
          if (pool.client?.isReplaceable === true) retire(pool);
        },
      }),
      client: undefined,
    };
    return pool;
  }

  /**
   * postgres.js cannot replace one connection, so the whole pool goes; statements under way on its other
   * connections may still end.
   */
  function retire(stuck: Pool): void {
    if (stuck !== current) return;
    current = undefined;
    stuck.client?.doubt();
    void endPool(stuck, options.deadlineMs);
  }

  const causeOf = (error: unknown): unknown =>
    isOfStatement(error) ? error : (options.tls?.explain(error) ?? error);

  async function run<Result>(
    label: string,
    statement: (sql: Sql) => PromiseLike<Result>,
  ): Promise<Result> {
    const refusal = refusals.current();
    if (refusal !== undefined) throw unavailable("takes no connections now", label, refusal);
    const pool = (current ??= openPool());
    let timer: Timer | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        retire(pool);
        reject(unavailable(`did not answer within ${options.deadlineMs} ms`, label));
      }, options.deadlineMs);
    });
    try {
      pool.client = await Promise.race([pool.opening, deadline]);
      const result = await Promise.race([statement(pool.client.sql), deadline]);
      refusals.noteReply();
      return result;
    } catch (error) {
      if (isRefusal(error)) refusals.noteRefused(error);
      if (isOfStatement(error)) refusals.noteReply();
      // postgres.js 3.4.9 carries half-read replies of a lost connection over to the next one on the same
      // object, so that a later query fails or returns rows with holes: start afresh.
      if (isRefusedSetting(error)) throw new NoSession({ cause: error });
      if (pool.client === undefined || isConnectionLoss(error)) retire(pool);
      // Some services replace a primary without an end of the connections to it; a restarted one may be a
      // standby now.
      else if (pool.client.isReplaceable && (isReadOnly(error) || isRecovering(error)))
        retire(pool);
      throw isServerError(error) && !isDataFault(error)
        ? unavailable("failed", label, causeOf(error))
        : error;
    } finally {
      clearTimeout(timer);
    }
  }

  return { run, close: (graceMs) => endPool(current, graceMs) };
}

async function endPool(pool: Pool | undefined, graceMs: number): Promise<void> {
  const client = await pool?.opening.catch(() => undefined);
  // After the grace the connections are cut and their queries rejected; the callers of those queries learn of
  // it.
  await client?.sql.end({ timeout: graceMs / 1_000 }).catch(() => {});
}

function unavailable(what: string, label: string, cause?: unknown): Fault {
  return new Fault("STORE_UNAVAILABLE", `PostgreSQL ${what}: ${label}`, { cause });
}
