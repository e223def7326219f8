import { checkServerIdentity, type ConnectionOptions } from "node:tls";
import postgres from "postgres";

import {
  type PostgresAddress,
  type PostgresHost,
  readPostgresUrl,
} from "../../core/config/postgres-url.ts";
import { type Backoff, backoffMs } from "../../runtime/backoff.ts";
import { type ClientTls, filesOfUrl, type TlsFiles } from "../tls/tls-files.ts";

/** One PostgreSQL, or several of which one takes writes. */
export interface PostgresServer {
  url: string;
  /** Certificates; read anew for each connection. Without: those that the machine trusts. */
  tls?: TlsFiles;
  /**
   * Behind a pooler in transaction mode: each statement may meet another session. So no session has settings,
   * and no statement is prepared.
   */
  isPooled?: boolean;
  /** What is known of which one takes writes, shared by all clients. Without: each looks for itself. */
  primary?: Primary;
}

/** Which server of a URL takes writes, for all clients of one process. */
export interface Primary {
  /** Whether there is only one server, which then is the primary. */
  isOnly: boolean;
  /** @throws {NoPrimary} */
  find: () => Promise<PostgresHost>;
  /** Something is wrong there: whoever asks next looks again. */
  doubt: (host: PostgresHost) => void;
}

/**
 * Times are Unix milliseconds, days are `YYYY-MM-DD`, bigints are numbers: no `Date` is made, since nobody
 * needs one.
 */
const TYPES = {
  timestamptz: {
    to: 1184,
    from: [1184],
    serialize: (ms: number) => new Date(ms).toISOString(),
    parse: (text: string) => Date.parse(text),
  },
  date: { to: 1082, from: [1082], serialize: String, parse: (text: string) => text },
  bigint: {
    to: 20,
    from: [20],
    serialize: String,
    parse: (text: string) => {
      const value = Number(text);
      if (!Number.isSafeInteger(value)) throw new RangeError(`bigint out of range: ${text}`);
      return value;
    },
  },
};

const CONNECT_TIMEOUT_SECONDS = 5;
/** The default of postgres.js backs off up to 20 s, which would be added to every outage. */
const RECONNECT_BACKOFF: Backoff = { firstMs: 20, longestMs: 500, jitter: 1 };

/**
 * One statement at a time as well: the pooler gives the session away at the end of each, and the next one may
 * have been half sent by then. With the library's own 100, of 3,600 statements on 12 connections before 3
 * sessions of PgBouncer 1.18 3,384 had no answer within 4 s; like this all had theirs within 0.7 s.
 */
const UNPREPARED = { prepare: false, max_pipeline: 0 };

export interface ClientOptions {
  /** `application_name`, as shown in `pg_stat_activity`; the one of the URL stands before it. */
  name: string;
  max: number;
  /** Settings of each session; without effect behind a pooler. */
  settings?: Record<string, string | number>;
  /** Seconds after which a connection is replaced; null: never. */
  maxLifetimeSeconds?: number | null;
  connectTimeoutSeconds?: number;
  /** Gives up connections to a server that takes no writes. */
  takesWrites?: boolean;
  onclose?: () => void;
}

/**
 * A client of one of the servers; `openClient` chooses which. It connects with its first query.
 *
 * @throws {Error} when the URL cannot be read
 */
export function openClientAt(
  server: PostgresServer,
  at: PostgresHost,
  options: ClientOptions,
): postgres.Sql {
  const address = readPostgresUrl(server.url);
  const { name, max, settings, maxLifetimeSeconds, onclose } = options;
  const isSocket = at.host.startsWith("/");
  const client: postgres.Options<typeof TYPES> = {
    ...listsOf(at),
    ...(isSocket && { path: `${at.host}/.s.PGSQL.${at.port}` }),
    ...(address.database !== null && { database: address.database }),
    ...(address.user !== null && { user: address.user }),
    ...(address.password !== null && { pass: address.password }),
    ssl: isSocket ? false : encryptionOf(address, at, server.tls ?? filesOfUrl(address.tls)),
    ...(options.takesWrites === true && { target_session_attrs: "read-write" as const }),
    types: TYPES,
    // Array parameters are written as literals with a cast (arrays.ts), so the type catalogue is not needed.
    fetch_types: false,
    connect_timeout:
      options.connectTimeoutSeconds ?? address.connectTimeoutSeconds ?? CONNECT_TIMEOUT_SECONDS,
    backoff: (failures) => backoffMs(RECONNECT_BACKOFF, failures, Math.random()) / 1_000,
    onnotice: () => {},
    max,
    ...(server.isPooled === true && UNPREPARED),
    ...(maxLifetimeSeconds !== undefined && { max_lifetime: maxLifetimeSeconds }),
    ...(onclose && { onclose }),
    connection: {
      application_name: [address.applicationName ?? [], name].flat().join(" "),
      TimeZone: "UTC",
      DateStyle: "ISO",
      ...(address.serverOptions !== null && { options: address.serverOptions }),
      ...(server.isPooled !== true && settings),
    },
  };
  return postgres(client);
}

/** The client takes lists, which its types do not say; of a single host it would read `::1` as two. */
function listsOf({ host, port }: PostgresHost): { host: string; port: number } {
  const lists = { host: [host], port: [port] };
  return lists as unknown as { host: string; port: number };
}

/** postgres.js reads the members for each connection, so renewed files count from the next one on. */
function encryptionOf(
  { sslMode }: PostgresAddress,
  { host }: PostgresHost,
  tls: ClientTls | undefined,
): ConnectionOptions | false {
  if (sslMode === "disable" || (sslMode === null && tls === undefined)) return false;
  return {
    minVersion: "TLSv1.2",
    rejectUnauthorized: true,
    get ca() {
      return tls?.current().ca;
    },
    get cert() {
      return tls?.current().cert;
    },
    get key() {
      return tls?.current().key;
    },
    // The client tells the name that it asked for, but of an address nothing that could be checked.
    checkServerIdentity: (_name, certificate) => {
      tls?.noteServer(certificate);
      return sslMode === "verify-ca" ? undefined : checkServerIdentity(host, certificate);
    },
  };
}
