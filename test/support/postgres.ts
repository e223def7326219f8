import { createTestDatabase } from "./servers.ts";
import { startTcpProxy } from "./tcp-proxy.ts";
import {
  connectPostgres,
  type Database,
  type PostgresOptions,
} from "../../adapters/postgres/connect.ts";
import { migrate } from "../../adapters/postgres/migrate.ts";
import type { Act } from "../../adapters/postgres/operator-actions.ts";
import { setLimits } from "../../adapters/postgres/quotas.ts";
import { foldEmail } from "../../core/email.ts";
import type { UserQuota } from "../../core/quota/limits.ts";

export interface MigratedDatabase {
  url: string;
  database: Database;
  /** One more pool to the same database, closed with it. */
  connect: (overrides?: Partial<PostgresOptions>) => Database;
  drop: () => Promise<void>;
}

/** A database of its own for one test file, with the schema. */
export async function createMigratedDatabase(): Promise<MigratedDatabase> {
  const { url, drop } = await createTestDatabase();
  await migrate({ url });
  const opened: Database[] = [];
  const connect = (overrides: Partial<PostgresOptions> = {}): Database => {
    const database = connectPostgres({
      url,
      poolMax: 4,
      statementTimeoutMs: 5_000,
      deadlineMs: 6_000,
      name: "tollgate-test",
      ...overrides,
    });
    opened.push(database);
    return database;
  };
  return {
    url,
    database: connect(),
    connect,
    drop: async () => {
      await Promise.all(opened.map((database) => database.close(1_000)));
      await drop();
    },
  };
}

/** Who does what tests do. */
export const TEST_ACT: Act = { actor: "test@host", reason: null };

/** A user without quotas, as one of a release from before may be. */
export async function addUser(
  database: Database,
  user: { userId: string; name: string; email: string },
): Promise<void> {
  await database.run(
    "add a user",
    (sql) => sql`
      insert into users (user_id, name, email, email_folded)
      values (${user.userId}, ${user.name}, ${user.email}, ${foldEmail(user.email)})`,
  );
}

/** Sets one window of a user; returns whether there is such a user. */
export const setQuota = (
  database: Database,
  { userId, ...quota }: UserQuota & { userId: string },
): Promise<boolean> =>
  setLimits(database, userId, { quotas: [quota], concurrentRequests: undefined }, TEST_ACT);

export async function newUser(database: Database): Promise<string> {
  const userId = crypto.randomUUID();
  await addUser(database, { userId, name: "Ada", email: `${userId}@example.com` });
  return userId;
}

export interface ProxiedDatabase {
  database: Database;
  /** Cuts every connection and refuses new ones until told otherwise. */
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

/** A database of its own, with the schema, whose server can go away. */
export async function createProxiedDatabase(): Promise<ProxiedDatabase> {
  const server = await createMigratedDatabase();
  const proxy = await startTcpProxy(server.url);
  const database = server.connect({ url: proxy.url });
  return {
    database,
    setAway: async (isAway) => {
      if (isAway) proxy.refuse();
      else proxy.heal();
      // A connection that was cut shows it to whoever asks next.
      while ((await areAnswered(database)) === isAway) await Bun.sleep(1);
    },
    stop: async () => {
      await server.drop();
      await proxy.stop();
    },
  };
}

/** Whether as many statements as there are connections, of either kind of plan, are answered. */
async function areAnswered(database: Database): Promise<boolean> {
  const plans = ["each", "each", "each", "each", "once", "once", "once", "once"] as const;
  const looks = await Promise.allSettled(
    plans.map((planning) => database.run("look", (sql) => sql`select 1`, planning)),
  );
  return looks.every(({ status }) => status === "fulfilled");
}
