import { createKeeperLock } from "../../adapters/postgres/keeper-lock.ts";
import { until } from "../support/until.ts";
import { createMigratedDatabase } from "../support/postgres.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { describeKeeperLockContract } from "./keeper-lock.ts";

describeKeeperLockContract("PostgreSQL", async () => {
  const server = await createMigratedDatabase();
  const proxies = new Map<string, TcpProxy>();
  return {
    lockOf: async (name, onLost) => {
      const proxy = await startTcpProxy(server.url);
      proxies.set(name, proxy);
      return createKeeperLock({ url: proxy.url, name, silentMs: 400, deadlineMs: 200, onLost });
    },
    killSession: async (name) => {
      await server.database.run(
        "kill",
        (sql) => sql`
          select pg_terminate_backend(pid)
          from pg_stat_activity
          where application_name = ${name} and datname = current_database()`,
      );
    },
    cutOff: (name) => proxies.get(name)?.freeze(),
    until: (isTrue) => until(isTrue, 5_000),
    stop: async () => {
      await Promise.all([...proxies.values()].map((proxy) => proxy.stop()));
      await server.drop();
    },
  };
});
