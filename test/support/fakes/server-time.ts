import type { Database } from "../../../adapters/postgres/connect.ts";
import type { FakeServer } from "./server.ts";

/** The clock of a server beside that of this machine, without PostgreSQL. */
export function createFakeServerTime(
  server: FakeServer,
  serverNow: () => number,
): Pick<Database, "ping"> {
  return {
    ping: () => server.ask(() => ({ aheadMs: serverNow() - Date.now(), roundTripMs: 0 })),
  };
}
