import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import postgres from "postgres";

import { findFreePorts } from "../../../local/processes/ports.ts";
import { newPassword } from "../../../local/servers/password.ts";
import { own } from "../../../local/servers/postgres.ts";
import { findUnprivileged } from "../../../local/servers/unprivileged.ts";
import { eventually, untilTrue } from "../../../local/stack/eventually.ts";
import { preparePostgres } from "./postgres-node.ts";
import { makeServerHome } from "./server-home.ts";

/** A PostgreSQL that runs, and does not do its work. */
export interface OddPostgres {
  /** As a role that is no superuser, which would have connections in reserve. */
  url: string;
  /** From the next transaction on, also of sessions that stand. */
  setReadOnly: (isReadOnly: boolean) => Promise<void>;
  /**
   * Takes every connection there is, also those of the programs with such a name. Returns how to give them
   * back.
   */
  takeConnections: (programs: string) => Promise<() => Promise<void>>;
  /** Ends it in order; started again it recovers, and takes no connection, until it is promoted. */
  restartInRecovery: () => Promise<void>;
  promote: () => Promise<void>;
  remove: () => Promise<void>;
}

const LIMIT_MS = 30_000;
const TOO_MANY_CONNECTIONS = "53300";
const CANNOT_CONNECT_NOW = "57P03";
const ROLE = "app";
const TAKER = "taker";
/** Room for two of each process, and little more: taking the rest takes a login each. */
const CONNECTIONS_MAX = 70;
/** `superuser_reserved_connections`, as it is by default. */
const RESERVED = 3;

export async function startOddPostgres(): Promise<OddPostgres> {
  const home = makeServerHome();
  const folder = join(home.folder, "postgres");
  const data = join(folder, "data");
  mkdirSync(folder);
  const [port = 0] = await findFreePorts(1);
  const password = newPassword();
  const node = await preparePostgres({ folder, ports: { postgres: port }, password });
  const as = (role: string): string => {
    const url = new URL(node.url);
    url.username = role;
    return url.toString();
  };
  const openAdmin = () => postgres(node.url, { max: 1, onnotice: () => {} });
  const remove = async (): Promise<void> => {
    await node.process.kill();
    home.remove();
  };

  async function withAdmin(act: (sql: postgres.Sql) => Promise<void>): Promise<void> {
    const sql = openAdmin();
    try {
      await sql`set default_transaction_read_only = off`;
      await act(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  try {
    await node.start();
    await withAdmin(async (sql) => {
      await sql.unsafe(`create role ${ROLE} login createdb password '${password}'`);
      await sql.unsafe(`create role ${TAKER} login password '${password}'`);
      await sql.unsafe(`alter system set max_connections = ${CONNECTIONS_MAX}`);
    });
    await node.process.kill();
    await node.start();
  } catch (error) {
    await remove();
    throw error;
  }

  return {
    url: as(ROLE),
    setReadOnly: (isReadOnly) =>
      withAdmin(async (sql) => {
        const value = isReadOnly ? "on" : "off";
        await sql.unsafe(`alter system set default_transaction_read_only = ${value}`);
        await sql`select pg_reload_conf()`;
      }),
    takeConnections: async (programs) => {
      // It stays, or its own place would be free.
      const admin = openAdmin();
      const taken = [admin];
      const giveBack = async (): Promise<void> => {
        await Promise.all(taken.map((sql) => sql.end({ timeout: 1 })));
      };
      try {
        // They would be quicker than we are.
        await admin.unsafe(`alter role ${ROLE} nologin`);
        await untilTrue(`${programs} have no connection`, LIMIT_MS, async () => {
          await admin`
            select pg_terminate_backend(pid)
            from pg_stat_activity
            where application_name like ${programs}`;
          await takeWhatIsFree(as(TAKER), taken);
          // Who is just logging in is not seen yet.
          const [row] = await admin<{ left: number; seen: number }[]>`
            select count(*) filter (where application_name like ${programs})::integer as left,
              count(*)::integer as seen
            from pg_stat_activity
            where backend_type = 'client backend'`;
          return row?.left === 0 && row.seen >= CONNECTIONS_MAX - RESERVED;
        });
        await admin.unsafe(`alter role ${ROLE} login`);
      } catch (error) {
        await giveBack();
        throw error;
      }
      return giveBack;
    },
    restartInRecovery: async () => {
      await withAdmin(async (sql) => void (await sql`alter system set hot_standby = off`));
      // "Fast shutdown"; https://www.postgresql.org/docs/current/server-shutdown.html
      node.process.signal("SIGINT");
      await untilTrue("PostgreSQL has ended", LIMIT_MS, () => !node.process.isRunning());
      const signal = join(data, "standby.signal");
      writeFileSync(signal, "");
      own(signal, findUnprivileged(folder));
      node.process.start();
      await eventually("PostgreSQL refuses connections", LIMIT_MS, async () => {
        const code = await refusalOf(node.url);
        return code === CANNOT_CONNECT_NOW ? code : undefined;
      });
    },
    promote: async () => {
      const signal = join(data, "promote");
      writeFileSync(signal, "");
      own(signal, findUnprivileged(folder));
      // As pg_ctl does it.
      node.process.signal("SIGUSR1");
      await untilTrue(
        "PostgreSQL takes connections",
        LIMIT_MS,
        async () => (await refusalOf(node.url)) === undefined,
      );
    },
    remove,
  };
}

/** Opens connections until there are no more. */
async function takeWhatIsFree(url: string, taken: postgres.Sql[]): Promise<void> {
  for (;;) {
    const sql = postgres(url, { max: 1, max_lifetime: null, onnotice: () => {} });
    const code = await codeOf(sql);
    if (code === undefined) taken.push(sql);
    else await sql.end({ timeout: 0 });
    if (code === TOO_MANY_CONNECTIONS) return;
    if (code !== undefined) throw new Error(`PostgreSQL refused a connection: ${code}`);
  }
}

async function refusalOf(url: string): Promise<string | undefined> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
  try {
    return await codeOf(sql);
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** The code that a first statement fails with; undefined: it does not. */
const codeOf = (sql: postgres.Sql): Promise<string | undefined> =>
  sql`select 1`.then(
    () => undefined,
    (error: { code: string }) => error.code,
  );
